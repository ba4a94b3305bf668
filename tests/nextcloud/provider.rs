//! An OpenID provider for `user_oidc` to point at: discovery, keys, authorization by fiat, a token endpoint.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::nextcloud_stand_in::settings::OidcProvider;
use crate::nextcloud_stand_in::wire::{Answer, Body, Head, Outcome, Serve, serve_all, serve_one};

pub(crate) const CLIENT: &str = "nextcloud";
pub(crate) const SECRET: &str = "client secret";

/// A signing key with its name.
pub(crate) enum Key {
    Es256(&'static str, EcdsaKeyPair),
    EdDsa(&'static str, Ed25519KeyPair),
}

impl Key {
    pub(crate) fn es256(kid: &'static str) -> Self {
        let random = SystemRandom::new();
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random);
        Self::Es256(kid, pair.unwrap())
    }

    pub(crate) fn ed_dsa(kid: &'static str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        Self::EdDsa(kid, Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap())
    }

    fn published(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(kid, pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "use": "sig",
                       "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Self::EdDsa(kid, pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "use": "sig",
                       "x": encode(pair.public_key().as_ref())})
            }
        }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let (kid, alg) = match self {
            Self::Es256(kid, _) => (kid, "ES256"),
            Self::EdDsa(kid, _) => (kid, "EdDSA"),
        };
        let signed = unsigned(&json!({"alg": alg, "kid": kid, "typ": "JWT"}), claims);
        let signature = match self {
            Self::Es256(_, pair) => {
                pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            Self::EdDsa(_, pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn unsigned(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// Signed with the client's secret, as no provider of Nextcloud may.
pub(crate) fn hs256(kid: &str, claims: &Value) -> String {
    let signed = unsigned(&json!({"alg": "HS256", "kid": kid}), claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A running provider.
pub(crate) struct Provider {
    inside: Arc<Inside>,
    pub(crate) issuer: String,
    serving: JoinHandle<()>,
}

struct Inside {
    issuer: String,
    keys: Mutex<Vec<Value>>,
    /// What a code is worth: the ID token to come.
    codes: Mutex<BTreeMap<String, String>>,
    /// The forms that came to the token endpoint, with the client authentication.
    redeemed: Mutex<Vec<(String, String)>>,
}

impl Provider {
    pub(crate) async fn publishing(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let inside = Inside::new(&issuer, keys);
        let serving = tokio::spawn(serve_all(listener, Arc::clone(&inside)));
        Self { inside, issuer, serving }
    }

    /// One that speaks TLS under the name `door.example.test`; also its address and its own authority as PEM.
    pub(crate) async fn behind_tls(keys: &[&Key]) -> (Self, SocketAddr, Vec<u8>) {
        let made = rcgen::generate_simple_self_signed(["door.example.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("https://door.example.test:{}", address.port());
        let inside = Inside::new(&issuer, keys);
        let program = Arc::clone(&inside);
        let serving = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serve_one(Box::new(stream), peer.ip(), Arc::clone(&program)));
                }
            }
        });
        (Self { inside, issuer, serving }, address, made.cert.pem().into_bytes())
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        *self.inside.keys.lock().unwrap() = keys.iter().map(|key| key.published()).collect();
    }

    /// No longer there.
    pub(crate) fn stop(&self) {
        self.inside.keys.lock().unwrap().clear();
        self.serving.abort();
    }

    pub(crate) fn settings(&self) -> OidcProvider {
        let discovery = format!("{}/.well-known/openid-configuration", self.issuer);
        OidcProvider::at(&discovery, CLIENT, SECRET)
    }

    /// Claims that are right, at this time.
    pub(crate) fn claims(&self, sub: &str, now: i64) -> Value {
        json!({"iss": self.issuer, "aud": CLIENT, "sub": sub, "iat": now, "exp": now + 300})
    }

    /// A code that is good for this ID token.
    pub(crate) fn issue(&self, code: &str, id_token: String) {
        self.inside.codes.lock().unwrap().insert(code.to_owned(), id_token);
    }

    pub(crate) fn redeemed(&self) -> Vec<(String, String)> {
        self.inside.redeemed.lock().unwrap().clone()
    }
}

impl Inside {
    fn new(issuer: &str, keys: &[&Key]) -> Arc<Self> {
        Arc::new(Self {
            issuer: issuer.to_owned(),
            keys: Mutex::new(keys.iter().map(|key| key.published()).collect()),
            codes: Mutex::default(),
            redeemed: Mutex::default(),
        })
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Serve for Inside {
    async fn answer(&self, head: Head, body: &mut Body<'_>) -> Outcome {
        let (form, _) = body.read().await;
        let issuer = &self.issuer;
        Outcome::Answer(match head.raw_path() {
            "/.well-known/openid-configuration" => Answer::json(
                200,
                &json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
                        "end_session_endpoint": format!("{issuer}/end"),
                        "code_challenge_methods_supported": ["S256"]}),
            ),
            "/keys" => Answer::json(200, &json!({"keys": *self.keys.lock().unwrap()})),
            "/token" => {
                let form = String::from_utf8(form).unwrap();
                let code = form.split('&').find_map(|pair| pair.strip_prefix("code=")).unwrap();
                let token = self.codes.lock().unwrap().remove(code);
                let authorization = head.header("authorization").unwrap_or_default().to_owned();
                let pair = authorization.strip_prefix("Basic ").unwrap_or_default();
                let pair = String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap();
                self.redeemed.lock().unwrap().push((pair, form));
                match token {
                    Some(token) => Answer::json(
                        200,
                        &json!({"id_token": token, "access_token": "a", "token_type": "Bearer"}),
                    ),
                    None => Answer::json(400, &json!({"error": "invalid_grant"})),
                }
            }
            _ => Answer::empty(404),
        })
    }
}
