// The one script of these pages: it passes what we ask of a passkey to the browser, and what comes back into the form.
// Without it, or where the browser knows no passkeys, these forms stay hidden and everything else works.
"use strict";

for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const failed = form.querySelector("[data-failed]");
    failed.hidden = true;
    try {
      const options = JSON.parse(form.dataset.options);
      const credential =
        form.dataset.passkey === "create"
          ? await navigator.credentials.create({
              publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options),
            })
          : await navigator.credentials.get({
              publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
            });
      form.elements.passkey_response.value = JSON.stringify(credential.toJSON());
      form.submit();
    } catch {
      // Called off, or no passkey of ours is there: the browser does not say which, on purpose.
      failed.hidden = false;
    }
  });
}
