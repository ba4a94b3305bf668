//! The app `user_oidc`: the provider's documents and their cache, accounts from claims, the code flow in a browser, and
//! accounts made before their first sign-in (section 3.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::acting::{self, Door};
use super::envelope::Ocs;
use super::fields::{Fields, encoded, random_word};
use super::rights::{Right, require};
use super::settings::{OidcProvider, ProviderTrust};
use super::state::{Account, Group, Means};
use super::users::{missing_parameter, parse_quota};
use super::visit::Visit;
use super::wire::Answer;
use super::{Inside, bearer};

/// How long discovery and keys are believed, in seconds.
const CACHED_FOR: i64 = 3600;

#[derive(Default)]
pub(crate) struct OidcState {
    pub(crate) provider: Option<OidcProvider>,
    cached: Option<Documents>,
    /// How often the provider was asked for its keys.
    pub(crate) key_fetches: u32,
}

impl OidcState {
    /// Nothing cached yet.
    pub(crate) fn of(provider: OidcProvider) -> Self {
        Self { provider: Some(provider), ..Self::default() }
    }
}

/// What the provider has published.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    pub(crate) discovery: Value,
    pub(crate) keys: Value,
    fetched_at: i64,
}

/// A sign-in that is at the provider at this moment.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    state: String,
    nonce: String,
    verifier: String,
    target: String,
}

/// Whether the cache may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// For bearer tokens: an hour, whatever key a token names.
    Cached,
    /// For a browser's sign-in with a key that the cache does not know.
    Fetched,
}

/// `GET apps/user_oidc/api/v1/provider`, for administrators: every provider with its settings, as of 8.11.
pub(crate) fn list(visit: &Visit<'_>) -> Ocs {
    if let Err(refused) = require(visit, Right::Admin) {
        return refused;
    }
    let provider = visit.inside.state().oidc.provider.clone();
    let told = provider.into_iter().map(|provider| {
        json!({
            "id": 1, "identifier": "stormdoor", "clientId": provider.client_id,
            "discoveryEndpoint": provider.discovery, "endSessionEndpoint": null,
            "scope": "openid email profile",
            "settings": {
                "mappingUid": provider.mapping_uid, "uniqueUid": false, "providerBasedId": false,
                "checkBearer": provider.check_bearer, "sendIdTokenHint": true,
                "bearerProvisioning": provider.bearer_provisioning,
                "groupProvisioning": provider.group_provisioning,
            },
        })
    });
    Ocs::Done(told.collect())
}

/// The provider's documents: from the cache, or fetched; if the provider is away the old ones stay good.
pub(crate) async fn documents(inside: &Inside, freshness: Freshness) -> Option<Documents> {
    let (provider, cached) = {
        let state = inside.state();
        (state.oidc.provider.clone()?, state.oidc.cached.clone())
    };
    let now = inside.clock.now();
    let is_fresh = |documents: &Documents| now - documents.fetched_at < CACHED_FOR;
    if freshness == Freshness::Cached && cached.as_ref().is_some_and(is_fresh) {
        return cached;
    }
    inside.state().oidc.key_fetches += 1;
    match fetch(&provider, now).await {
        Some(documents) => {
            inside.state().oidc.cached = Some(documents.clone());
            Some(documents)
        }
        None => cached,
    }
}

async fn fetch(provider: &OidcProvider, now: i64) -> Option<Documents> {
    let client = client(provider)?;
    let discovery = get(&client, &provider.discovery).await?;
    let keys = get(&client, discovery.get("jwks_uri")?.as_str()?).await?;
    Some(Documents { discovery, keys, fetched_at: now })
}

async fn get(client: &reqwest::Client, url: &str) -> Option<Value> {
    let response = client.get(url).send().await.ok()?.error_for_status().ok()?;
    response.json().await.ok()
}

fn client(provider: &OidcProvider) -> Option<reqwest::Client> {
    let mut builder = reqwest::Client::builder().no_proxy();
    if let Some((host, address)) = &provider.resolve {
        builder = builder.resolve(host, *address);
    }
    builder = match &provider.trust {
        ProviderTrust::Anybody => builder.tls_danger_accept_invalid_certs(true),
        ProviderTrust::Authority(pem) => {
            builder.tls_certs_only([reqwest::Certificate::from_pem(pem).ok()?])
        }
    };
    builder.build().ok()
}

/// The account that claims speak for; a new `sub` becomes one.
pub(crate) fn provision(
    inside: &Inside,
    provider: &OidcProvider,
    claims: &Value,
) -> Option<String> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let wanted = text(&provider.mapping_uid)?;
    let mut state = inside.state();
    if state.account(wanted).is_none() {
        if !provider.bearer_provisioning {
            return None;
        }
        state.add(Account::new(wanted, None, "user_oidc"));
    }
    let account = state.account_mut(wanted)?;
    let id = account.id.clone();
    if account.backend == "user_oidc" {
        if let Some(name) = text("name") {
            name.clone_into(&mut account.display_name);
        }
        if let Some(email) = text("email") {
            account.email = Some(email.to_owned());
        }
        if let Some(quota) = text("quota").and_then(parse_quota) {
            account.quota = quota;
        }
    }
    if provider.group_provisioning {
        // A token that says nothing about groups says: none.
        let named: Vec<&str> = claims
            .get("groups")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        for group in state.groups.values_mut() {
            group.members.remove(&id);
        }
        for name in named {
            let made = || Group { display_name: name.to_owned(), ..Group::default() };
            state.groups.entry(name.to_owned()).or_insert_with(made).members.insert(id.clone());
        }
    }
    Some(id)
}

/// `GET /apps/user_oidc/login/{id}`: off to the provider.
pub(crate) async fn begin(visit: &mut Visit<'_>) -> Answer {
    let provider = visit.inside.state().oidc.provider.clone();
    let Some(provider) = provider.filter(|_| visit.is_https) else {
        return Answer::html(404, "<h2>You must access Nextcloud with HTTPS</h2>");
    };
    visit.open_session();
    let Some(documents) = documents(visit.inside, Freshness::Cached).await else {
        return Answer::html(404, "<h2>Could not reach the OpenID Connect provider.</h2>");
    };
    let endpoint = documents.discovery.get("authorization_endpoint").and_then(Value::as_str);
    let pending = Pending {
        state: random_word(32),
        nonce: random_word(32),
        verifier: random_word(128),
        target: visit.fields.text("redirectUrl").to_owned(),
    };
    let challenge = digest(&SHA256, pending.verifier.as_bytes());
    let claims = json!({"id_token": {"email": null, "name": null, "quota": null, "groups": null},
        "userinfo": {"email": null, "name": null, "quota": null, "groups": null}});
    let mut query = vec![
        ("client_id", provider.client_id.clone()),
        ("response_type", "code".to_owned()),
        ("scope", "openid email profile".to_owned()),
        ("redirect_uri", callback(visit)),
        ("claims", claims.to_string()),
        ("state", pending.state.clone()),
        ("nonce", pending.nonce.clone()),
    ];
    let methods = documents.discovery.get("code_challenge_methods_supported");
    let methods = methods.and_then(Value::as_array);
    if methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        query.push(("code_challenge", URL_SAFE_NO_PAD.encode(challenge)));
        query.push(("code_challenge_method", "S256".to_owned()));
    }
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={}", encoded(value, ""))).collect();
    let endpoint = endpoint.unwrap_or_default();
    let joint = if endpoint.contains('?') { '&' } else { '?' };
    visit.with_session(|session| session.oidc = Some(pending));
    Answer::see_other(&format!("{endpoint}{joint}{}", query.join("&")))
}

fn callback(visit: &Visit<'_>) -> String {
    format!("{}/index.php/apps/user_oidc/code", visit.base_url())
}

/// `GET /apps/user_oidc/code`: back from the provider.
pub(crate) async fn come_back(visit: &mut Visit<'_>) -> Answer {
    visit.open_session();
    let refused = |why: &str| Answer::html(403, format!("<h2>Access forbidden</h2><p>{why}</p>"));
    // Taken out at once: the second use of a callback finds nothing.
    let pending = visit.with_session(|session| session.oidc.take()).flatten();
    if visit.fields.find("error").is_some() {
        return refused("The identity provider failed to authenticate the user.");
    }
    let Some(pending) =
        pending.filter(|pending| visit.fields.find("state") == Some(&pending.state))
    else {
        return refused("The received state does not match the expected value.");
    };
    let provider = visit.inside.state().oidc.provider.clone();
    let (Some(provider), Some(code)) = (provider, visit.fields.filled("code").map(str::to_owned))
    else {
        return refused("There is no such OpenID Connect provider.");
    };
    let redeemed = redeem(visit, &provider, &pending, &code).await;
    let Some(claims) = redeemed else { return refused("Failed to authenticate.") };
    let Some(user) = provision(visit.inside, &provider, &claims) else {
        return refused("Failed to provision the user.");
    };
    if acting::sign_in(visit, &user, Means::OidcSession, Door::Elsewhere).await.is_err() {
        return refused("The account is disabled.");
    }
    let target = if pending.target.is_empty() { "/" } else { &pending.target };
    let is_local = target.starts_with('/') && !target.starts_with("//");
    Answer::see_other(if is_local { target } else { "/" })
}

/// Code for tokens, and the claims of the ID token if it is right.
async fn redeem(
    visit: &Visit<'_>,
    provider: &OidcProvider,
    pending: &Pending,
    code: &str,
) -> Option<Value> {
    let inside = visit.inside;
    let known = documents(inside, Freshness::Cached).await?;
    let by_form = known
        .discovery
        .get("token_endpoint_auth_methods_supported")
        .and_then(Value::as_array)
        .is_some_and(|methods| methods.iter().any(|method| method == "client_secret_post"));
    let mut form = vec![
        ("code", code),
        ("redirect_uri", ""),
        ("grant_type", "authorization_code"),
        ("code_verifier", &pending.verifier),
    ];
    let redirect_uri = callback(visit);
    if let Some(field) = form.get_mut(1) {
        field.1 = &redirect_uri;
    }
    if by_form {
        form.push(("client_id", &provider.client_id));
        form.push(("client_secret", &provider.client_secret));
    }
    let form: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", encoded(value, ""))).collect();
    let endpoint = known.discovery.get("token_endpoint")?.as_str()?;
    let mut request = client(provider)?.post(endpoint);
    if !by_form {
        request = request.basic_auth(&provider.client_id, Some(&provider.client_secret));
    }
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let response = request.body(form.join("&")).send().await.ok()?;
    let tokens: Value = response.error_for_status().ok()?.json().await.ok()?;
    let id_token = tokens.get("id_token")?.as_str()?;
    let mut claims = bearer::validate(&known, provider, id_token, inside.clock.now());
    if claims.is_none() {
        // A sign-in, unlike a bearer token, asks for the keys again.
        let fresh = documents(inside, Freshness::Fetched).await?;
        claims = bearer::validate(&fresh, provider, id_token, inside.clock.now());
    }
    let text = |name: &str| claims.as_ref()?.get(name)?.as_str();
    let nonce_fits = text("nonce").is_none_or(|nonce| nonce == pending.nonce);
    let party_fits = text("azp").is_none_or(|party| party == provider.client_id);
    claims.clone().filter(|_| nonce_fits && party_fits)
}

/// Where a session that began at the provider ends.
pub(crate) async fn end_session_url(visit: &Visit<'_>) -> Option<String> {
    let documents = documents(visit.inside, Freshness::Cached).await?;
    let endpoint = documents.discovery.get("end_session_endpoint")?.as_str()?.to_owned();
    let client = visit.inside.state().oidc.provider.clone()?.client_id;
    let home = encoded(&format!("{}/", visit.base_url()), "");
    Some(format!("{endpoint}?post_logout_redirect_uri={home}&client_id={}", encoded(&client, "")))
}

/// `POST /ocs/v2.php/apps/user_oidc/api/v1/user`: an account before its first sign-in. May be said twice, and an app
/// password of an administrator is enough.
pub(crate) fn pre_provision(visit: &Visit<'_>) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    let fields: &Fields = &visit.fields;
    let (Some(_), Some(id)) = (fields.find("providerId"), fields.filled("userId")) else {
        return missing_parameter(visit.generation());
    };
    let mut state = visit.inside.state();
    if state.account(id).is_none() {
        state.add(Account::new(id, None, "user_oidc"));
    }
    let Some(account) = state.account_mut(id) else { return Ocs::exception() };
    if let Some(name) = fields.filled("displayName") {
        name.clone_into(&mut account.display_name);
    }
    if let Some(email) = fields.filled("email") {
        account.email = Some(email.to_owned());
    }
    if let Some(quota) = fields.filled("quota").and_then(parse_quota) {
        account.quota = quota;
    }
    Ocs::Done(json!({"user_id": account.id}))
}

/// `DELETE /ocs/v2.php/apps/user_oidc/api/v1/user/{id}`
pub(crate) fn un_provision(visit: &Visit<'_>, id: &str) -> Ocs {
    if let Err(refusal) = require(visit, Right::Admin) {
        return refusal;
    }
    let mut state = visit.inside.state();
    let Some(found) = state.account(id).map(|account| account.id.clone()) else {
        return Ocs::failed(404, "User not found");
    };
    state.remove(&found);
    Ocs::Done(json!({"user_id": found}))
}
