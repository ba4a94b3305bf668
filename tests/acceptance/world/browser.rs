//! A browser without scripts: keeps cookies by host, follows redirects, sends forms as they stand on the page.

use std::collections::BTreeMap;

use reqwest::{Method, Response, Url};

use super::World;

pub(crate) struct Browser {
    client: reqwest::Client,
    port: u16,
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the browser shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) url: Url,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl World {
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.client(), self.https().port())
    }
}

impl Browser {
    /// A new one, at the gateway that listens on `port`.
    pub(crate) fn at(client: reqwest::Client, port: u16) -> Self {
        Self { client, port, cookies: BTreeMap::new() }
    }

    /// Goes to a page, wherever that leads.
    pub(crate) async fn open(&mut self, host: &str, path: &str) -> Page {
        let url = format!("https://{host}:{}{path}", self.port).parse().expect("an address");
        let answer = self.send(Method::GET, &url, None, "none").await;
        self.follow(url, answer).await
    }

    /// Fills the first form of `page` in whose fields have all these names, and sends it.
    pub(crate) async fn submit(&mut self, page: &Page, typed: &[(&str, &str)]) -> Page {
        self.submit_from("same-origin", page, typed).await
    }

    /// The same, with what the browser says about where the form came from.
    pub(crate) async fn submit_from(
        &mut self,
        site: &str,
        page: &Page,
        typed: &[(&str, &str)],
    ) -> Page {
        let form = page.form(typed);
        self.send_form(site, page, form, typed).await
    }

    async fn send_form(
        &mut self,
        site: &str,
        page: &Page,
        form: Form,
        typed: &[(&str, &str)],
    ) -> Page {
        let url = page.url.join(&form.action).expect("an action");
        let mut pairs = form.hidden;
        pairs.extend(typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let answer = self.send(Method::POST, &url, Some(&pairs), site).await;
        self.follow(url, answer).await
    }

    /// Sends the form of `page` that does this step.
    pub(crate) async fn submit_step(&mut self, page: &Page, step: &str) -> Page {
        let form = page.form_with(|body| body.contains(&format!("name=\"step\" value=\"{step}\"")));
        self.send_form("same-origin", page, form, &[]).await
    }

    /// Sends a form for passkeys, as the script of the page does with what the browser gave it.
    pub(crate) async fn submit_passkey(
        &mut self,
        page: &Page,
        kind: &str,
        response: String,
        typed: &[(&str, &str)],
    ) -> Page {
        let mut form = page.passkey_form(kind);
        let filled = form.hidden.iter_mut().find(|(name, _)| name == "passkey_response");
        filled.expect("a place for it").1 = response;
        self.send_form("same-origin", page, form, typed).await
    }

    pub(crate) fn cookie(&self, host: &str, name: &str) -> Option<&str> {
        self.cookies.get(host)?.get(name).map(String::as_str)
    }

    /// All cookies of `host`, as one line.
    pub(crate) fn line(&self, host: &str) -> String {
        let jar = self.cookies.get(host).into_iter().flatten();
        jar.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    pub(crate) fn forget(&mut self, host: &str, name: &str) {
        self.cookies.entry(host.to_owned()).or_default().remove(name);
    }

    async fn send(
        &mut self,
        method: Method,
        url: &Url,
        form: Option<&[(String, String)]>,
        site: &str,
    ) -> Response {
        let host = url.host_str().expect("a host").to_owned();
        let mut request = self
            .client
            .request(method, url.clone())
            .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("sec-fetch-site", site);
        if let Some(jar) = self.cookies.get(&host).filter(|jar| !jar.is_empty()) {
            let line: Vec<_> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header("cookie", line.join("; "));
        }
        if let Some(pairs) = form {
            let mut body = Url::parse("https://x").expect("an address");
            body.query_pairs_mut().extend_pairs(pairs);
            request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body(body.query().unwrap_or_default().to_owned());
        }
        let answer = request.send().await.expect("an answer");
        for line in answer.headers().get_all("set-cookie") {
            let line = line.to_str().expect("plain text");
            let (pair, rest) = line.split_once(';').expect("attributes");
            let attributes = rest.to_ascii_lowercase();
            assert!(attributes.contains("secure") && attributes.contains("httponly"), "{line}");
            let (name, value) = pair.split_once('=').expect("a value");
            let jar = self.cookies.entry(host.clone()).or_default();
            if rest.contains("Max-Age=0") {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    async fn follow(&mut self, mut url: Url, mut answer: Response) -> Page {
        for _ in 0..10 {
            let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
            let location = headers.get("location");
            let location = location.map(|text| text.to_str().expect("plain text").to_owned());
            let text = answer.text().await.expect("text");
            let Some(next) = location.or_else(|| refresh(&text)) else {
                return Page { status, url, headers, text };
            };
            url = url.join(&next).expect("an address");
            // The configured public address has no port; the system chose ours.
            if url.port().is_none() {
                url.set_port(Some(self.port)).expect("a port");
            }
            answer = self.send(Method::GET, &url, None, "same-origin").await;
        }
        panic!("no end of redirects at {url}");
    }
}

struct Form {
    action: String,
    hidden: Vec<(String, String)>,
}

impl Page {
    fn form(&self, typed: &[(&str, &str)]) -> Form {
        self.form_with(|body| {
            typed.iter().all(|(name, _)| {
                let hidden = format!("type=\"hidden\" name=\"{name}\"");
                body.contains(&format!("name=\"{name}\"")) && !body.contains(&hidden)
            })
        })
    }

    fn form_with(&self, fits: impl Fn(&str) -> bool) -> Form {
        let forms = self.text.split("<form ").skip(1);
        let mut bodies = forms.filter_map(|rest| rest.split("</form>").next());
        let body =
            bodies.find(|body| fits(body)).unwrap_or_else(|| panic!("no such form on {self:?}"));
        let action = attribute(body, "action").expect("an action");
        let hidden = body.split("<input type=\"hidden\"").skip(1).map(|input| {
            let input = input.split('>').next().unwrap_or_default();
            let name = attribute(input, "name").expect("a name");
            (name, attribute(input, "value").unwrap_or_default())
        });
        Form { action, hidden: hidden.collect() }
    }

    fn passkey_form(&self, kind: &str) -> Form {
        self.form_with(|body| body.contains(&format!("data-passkey=\"{kind}\"")))
    }

    /// What the script would ask the browser for.
    pub(crate) fn passkey_options(&self, kind: &str) -> serde_json::Value {
        let (_, rest) = self
            .text
            .split_once(&format!("data-passkey=\"{kind}\""))
            .unwrap_or_else(|| panic!("no passkey is asked for on {self:?}"));
        let options = attribute(rest, "data-options").expect("options");
        serde_json::from_str(&options).expect("JSON")
    }

    /// The path and the query.
    pub(crate) fn path(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("plain text"))
    }

    /// What stands between these, without markup in it.
    pub(crate) fn between(&self, before: &str, after: &str) -> Vec<String> {
        let parts = self.text.split(before).skip(1);
        parts.filter_map(|part| part.split(after).next()).map(unescaped).collect()
    }
}

fn refresh(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("<meta http-equiv=\"refresh\" content=\"0; url=")?;
    rest.split('"').next().map(unescaped)
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split('"').next().map(unescaped)
}

fn unescaped(text: &str) -> String {
    [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}
