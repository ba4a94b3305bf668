// Tells the times of a page in the zone and the language of the browser. Without it they stand there in UTC, and with it
// they do when one points at them.
"use strict";

const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

for (const time of document.querySelectorAll("time")) {
  time.title = time.textContent;
  time.lang = format.resolvedOptions().locale;
  time.textContent = format.format(new Date(time.dateTime));
}
