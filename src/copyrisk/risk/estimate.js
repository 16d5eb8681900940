"use strict";
// Without this script the page is complete too; only the sliders are missing.
const find = (selector, from = document) => from.querySelector(selector);
const findAll = (selector, from = document) => [...from.querySelectorAll(selector)];
const facts = JSON.parse(find("#facts").textContent);
const sliders = JSON.parse(find("#sliders").textContent);
const STEPS = 1000;

// The words are those of words.py, and a test compares them.
const SCALES = [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]];
const SECONDS = { year: 31557600, week: 604800, day: 86400, hour: 3600, minute: 60, second: 1 };

function digits(x) {
  if (x === 0) return "0";
  const rounded = Number(Number(x.toPrecision(12)).toPrecision(3));
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toLocaleString("en", { maximumFractionDigits: Math.min(decimals, 20) });
}

function power(x) {
  const [mantissa, exponent] = x.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((each) => (each === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[each])).join("");
  return `${mantissa} × 10${raised}`;
}

function number(x) {
  if (!Number.isFinite(x)) return "infinitely many";
  if (x === 0) return "0";
  if (x < 1e-4 || x >= 9.995e14) return power(x);
  const [size, name] = SCALES.find(([least]) => x >= least * 0.9995) ?? [1, ""];
  return name ? `${digits(x / size)} ${name}` : digits(x);
}

function percent(share) {
  if (share > 0 && share < 1e-7) return `${power(share * 100)}\u00a0%`;
  if (share >= 0.9995 && share < 1) return `${Math.floor(share * 10000) / 100}\u00a0%`;
  return `${digits(share * 100)}\u00a0%`;
}

const chance = (probability) => (probability > 0.9999 ? "over 99.99\u00a0%" : percent(probability));
const oneIn = (x) => (Number.isFinite(x) ? `1 in ${number(x)}` : "never");

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "never";
  const unit = Object.keys(SECONDS).find((name) => seconds >= SECONDS[name]) ?? "second";
  const amount = number(seconds / SECONDS[unit]);
  return `${amount} ${unit}${amount === "1" ? "" : "s"}`;
}

const WRITE = { share: percent, count: number, images: number, pace: number };

function outcomes(values) {
  let p = 1;
  for (const each of sliders) if (!["images", "pace"].includes(each.name)) p *= values[each.name];
  p = Math.min(p, 1);
  const { pace } = values;
  const images = values.images ?? pace * facts.campaign.duration;
  const found = {
    probability: percent(p),
    one_in: oneIn(1 / p),
    expected: number(images * p),
    at_least_one: chance(-Math.expm1(images * Math.log1p(-p))),
  };
  if (pace !== undefined) {
    found.to_first = duration(1 / p / pace);
    found.to_even = duration(Math.max(1, Math.log(0.5) / Math.log1p(-p)) / pace);
  }
  return found;
}

function valueAt(slider, position) {
  const share = position / STEPS;
  return slider.log
    ? slider.low * (slider.high / slider.low) ** share
    : slider.low + (slider.high - slider.low) * share;
}

function positionOf(slider) {
  const { low, high, value, log } = slider;
  if (high <= low) return 0;
  return Math.round(STEPS * (log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)));
}

function trying() {
  const values = {};
  const show = () => {
    for (const [name, words] of Object.entries(outcomes(values))) {
      for (const place of findAll(`[data-outcome="${name}"]`)) place.textContent = words;
    }
  };
  const tell = () => {
    const { one_in: odds, expected } = outcomes(values);
    find("#told").textContent = `${odds}; copies to expect: ${expected}.`;
  };
  const set = (input, slider, value) => {
    values[slider.name] = value;
    const words = WRITE[slider.unit](value);
    find("output", input.parentElement).textContent = words;
    input.setAttribute("aria-valuetext", words);
  };
  const inputs = findAll(".slider input");
  const reset = () => {
    inputs.forEach((input, index) => {
      // A median between two steps of the slider is kept as it is until the slider is moved.
      input.value = positionOf(sliders[index]);
      set(input, sliders[index], sliders[index].value);
    });
    show();
  };
  inputs.forEach((input, index) => {
    input.addEventListener("input", () => {
      set(input, sliders[index], valueAt(sliders[index], Number(input.value)));
      show();
    });
    input.addEventListener("change", tell);
  });
  find("#reset").addEventListener("click", () => { reset(); tell(); });
  reset();
}

function saving() {
  find("#save").addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([find("#facts").textContent], { type: "application/json" }));
    link.download = "copyrisk-estimate.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}

function printing() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = findAll("details:not([open])");
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
}

for (const element of findAll("[data-js]")) element.hidden = false;
for (const part of [trying, saving, printing]) part();
