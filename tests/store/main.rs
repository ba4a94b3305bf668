//! The contract of the store: every case, on every backend that must honour it.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may stop at the first surprise"
)]
#![expect(unreachable_pub, reason = "nobody reaches into a test")]

mod backends;
mod cases;
#[path = "../servers/flaky.rs"]
mod flaky;
mod given;
mod losing_redis;
mod moving_slots;
mod postgres_only;
mod reaching_redis;
#[path = "../servers/redis_cluster.rs"]
mod redis_cluster;
#[path = "../servers/redis.rs"]
mod redis_server;
mod same_answers;
#[path = "../servers/postgres.rs"]
mod server;
mod slices;
mod transfer;

/// Expands to one `#[tokio::test]` per backend and case, named like
/// `sqlite::refresh_tokens::concurrent_redemptions_have_exactly_one_winner`.
macro_rules! conformance {
    ([$($backend:ident),+] $cases:tt) => {
        $(conformance!(@$backend $cases);)+
    };
    (@$backend:ident { $($record:ident { $($case:ident),+ $(,)? })+ }) => {
        mod $backend {
            $(mod $record {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                    async fn $case() {
                        let backend = crate::backends::$backend().await;
                        crate::cases::$record::$case(&backend).await;
                    }
                )+
            })+
        }
    };
}

// Records: what must survive a restart.
conformance!([sqlite, postgres] {
    events {
        of_many_old_entries_all_go_but_the_last,
        what_happened_after_a_number_is_read_in_order_and_by_page,
        what_happened_is_read_back_newest_first,
        what_happened_long_ago_is_forgotten_from_the_beginning,
    }
    leadership {
        whoever_leads_goes_on_and_may_resign,
    }
    letters {
        a_letter_is_taken_as_it_was_written,
        a_letter_that_was_sent_is_never_due_again_and_says_nothing,
        a_letter_that_failed_is_due_at_its_next_try,
        a_letter_that_was_given_up_is_never_due_again,
        a_letter_whose_taker_died_is_due_when_the_lease_is_over,
        a_taker_that_lost_its_lease_changes_nothing_that_is_done,
        finished_letters_are_tidied_away_after_a_week,
        letters_that_nobody_sends_are_given_up_and_say_nothing,
        the_longest_due_are_taken_first_and_no_more_than_asked_for,
        twenty_takers_at_a_time_get_each_letter_once,
        whoever_waits_learns_of_a_letter,
    }
    provisioning {
        what_shows_elsewhere_has_the_user_looked_at,
        what_is_taken_is_nobody_elses_until_its_lease_is_over,
        a_change_during_a_look_is_looked_at_afterwards,
        what_failed_waits_for_its_next_try_or_an_operator,
        a_name_in_nextcloud_is_one_users_for_ever,
        whoever_was_never_there_is_forgotten_when_erased,
        everybody_can_be_looked_at_again_in_the_order_of_their_waiting,
        two_takers_never_take_the_same,
    }
    refresh_tokens {
        a_rotation_leaves_one_current_token,
        a_token_is_worth_nothing_from_the_moment_it_expires,
        a_token_of_an_ended_session_is_not_redeemed,
        a_token_of_a_locked_user_is_not_redeemed,
        an_unknown_token_is_unknown,
        concurrent_redemptions_have_exactly_one_winner,
        every_node_gets_the_same_key,
        revoking_a_family_reaches_its_newest_token_and_its_session,
        the_successor_ends_with_the_session,
    }
    sessions {
        a_begun_session_is_found_as_it_was,
        a_letter_about_a_new_client_is_written_with_its_session,
        a_session_of_a_locked_user_does_not_begin,
        a_session_does_not_begin_after_a_change_of_epoch,
        a_second_factor_is_noted_in_a_live_session_only,
        a_session_has_one_cookie_for_each_host,
        live_sessions_are_listed_by_their_last_use,
        uses_are_noted_and_never_go_back,
        ending_a_session_twice_does_it_once,
        ends_are_told_from_an_instant_on,
        locking_a_user_ends_the_sessions_of_that_user_only,
        what_is_long_over_is_tidied_away,
    }
    setup {
        only_the_latest_code_is_good,
        the_setup_is_completed_once_by_thirty_two_at_a_time,
        a_conflict_leaves_the_setup_open,
        an_admin_made_otherwise_closes_it,
        closed_is_for_ever,
    }
    signing_keys {
        a_key_is_read_back_as_it_was,
        nodes_that_start_together_agree_on_one_key,
        a_key_is_removed_when_it_was_retired_long_enough,
        a_rotation_retires_the_others_and_is_told,
    }
    cloud_passwords {
        erasing_a_user_takes_it_along,
        the_last_one_that_was_set_is_kept_until_it_is_removed,
    }
    devices {
        a_device_is_found_by_its_digest_and_gone_when_removed,
        there_are_only_so_many_devices_of_one_user,
    }
    second_factors {
        a_confirmed_app_is_not_replaced,
        of_fifty_uses_of_one_code_one_wins,
        of_fifty_uses_of_one_recovery_code_one_wins,
        a_passkey_is_used_by_one_of_two_at_a_time,
        a_reset_takes_all_of_them,
    }
    users {
        a_change_is_all_or_nothing,
        a_hash_that_changed_meanwhile_is_not_replaced,
        erasing_takes_everything_but_the_record_of_it,
        of_fifty_uses_of_one_invitation_one_wins,
        of_fifty_uses_of_one_mailed_link_one_wins,
        users_are_listed_by_what_is_asked,
        a_user_is_read_back_as_it_was,
        a_missing_user_is_not_found,
        addresses_and_names_are_unique,
        a_name_with_odd_characters_stays_as_it_was,
    }
});

// Shared state: what every node must agree on for a few minutes.
conformance!([memory, redis, cluster] {
    counters {
        a_cost_of_nothing_asks_without_spending,
        a_quota_is_granted_in_full_and_then_refused,
        budgets_of_policies_and_subjects_are_apart,
        many_at_a_time_never_get_more_than_the_quota,
    }
    handshakes {
        a_missing_one_is_not_found,
        a_later_value_takes_the_place_of_an_earlier_one,
        a_value_with_odd_characters_stays_as_it_was,
        a_value_is_worth_nothing_from_the_moment_it_is_over,
        of_fifty_claims_of_one_key_one_wins,
        of_fifty_takers_of_one_value_one_gets_it,
        what_was_claimed_can_be_claimed_again_when_that_is_over,
    }
    lockouts {
        a_lock_is_over_by_itself_and_the_next_one_is_twice_as_long,
        accounts_and_networks_are_apart,
        failures_are_forgotten_after_the_longest_lock_without_any,
        forgetting_begins_afresh,
        of_fifty_attempts_at_a_time_those_before_the_lock_are_let_through,
        taking_back_takes_the_lock_back,
        what_was_counted_can_be_looked_at,
    }
});

// Nodes that take slices of a quota: for one node alone there is no difference.
conformance!([redis_slices] {
    counters {
        a_cost_of_nothing_asks_without_spending,
        a_quota_is_granted_in_full_and_then_refused,
        budgets_of_policies_and_subjects_are_apart,
        many_at_a_time_never_get_more_than_the_quota,
    }
});
