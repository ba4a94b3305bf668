use std::time::Duration;

use stormdoor::store::Stores;

const LEASE: Duration = Duration::from_mins(1);

pub async fn whoever_leads_goes_on_and_may_resign(stores: &Stores) {
    let leadership = &stores.leadership;
    assert!(leadership.lead("upkeep", LEASE).await.unwrap());
    assert!(leadership.lead("upkeep", LEASE).await.unwrap());
    assert!(leadership.lead("something else", LEASE).await.unwrap());
    leadership.resign("upkeep").await.unwrap();
    leadership.resign("upkeep").await.unwrap();
    assert!(leadership.lead("upkeep", LEASE).await.unwrap());
}
