// Solves the puzzle of a public form while somebody fills it in: counts until SHA-256(puzzle:count) begins with enough
// zero bits, a slice at a time, so that typing goes on. The form is sent when both are done.
"use strict";

const K = [];
const START = [];
for (let n = 2, primes = 0; primes < 64; n++) {
  let prime = true;
  for (let f = 2; f * f <= n; f++) if (n % f === 0) prime = false;
  if (!prime) continue;
  const fraction = (root) => ((root - Math.floor(root)) * 4294967296) | 0;
  if (primes < 8) START.push(fraction(Math.sqrt(n)));
  K.push(fraction(Math.cbrt(n)));
  primes++;
}

// SHA-256 (FIPS 180-4) of ASCII text: the eight words.
function sha256(text) {
  const words = new Int32Array((((text.length + 8) >> 6) + 1) << 4);
  for (let i = 0; i < text.length; i++) words[i >> 2] |= text.charCodeAt(i) << (24 - (i % 4) * 8);
  words[text.length >> 2] |= 0x80 << (24 - (text.length % 4) * 8);
  words[words.length - 1] = text.length * 8;
  const hash = Int32Array.from(START);
  const w = new Int32Array(64);
  const turn = (x, by) => (x >>> by) | (x << (32 - by));
  for (let block = 0; block < words.length; block += 16) {
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = words[block + i];
      else {
        const a = w[i - 15], b = w[i - 2];
        const s0 = turn(a, 7) ^ turn(a, 18) ^ (a >>> 3);
        const s1 = turn(b, 17) ^ turn(b, 19) ^ (b >>> 10);
        w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
      }
    }
    let [a, b, c, d, e, f, g, h] = hash;
    for (let i = 0; i < 64; i++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((value, i) => (hash[i] = (hash[i] + value) | 0));
  }
  return hash;
}

for (const form of document.querySelectorAll("form[data-puzzle-bits]")) {
  const bits = Number(form.dataset.puzzleBits);
  const puzzle = form.elements.puzzle.value;
  const button = form.querySelector("button");
  let count = 0;
  let wanted = false;
  const slice = () => {
    for (const end = performance.now() + 20; performance.now() < end; count++) {
      const [first, second] = sha256(`${puzzle}:${count}`);
      const zeros = first === 0 ? 32 + Math.clz32(second) : Math.clz32(first);
      if (zeros < bits) continue;
      form.elements.solution.value = String(count);
      if (wanted) form.submit();
      return;
    }
    setTimeout(slice);
  };
  slice();
  form.addEventListener("submit", (event) => {
    if (form.elements.solution.value) return;
    event.preventDefault();
    wanted = true;
    button.disabled = true;
    button.setAttribute("aria-busy", "true");
  });
}
