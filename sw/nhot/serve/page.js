// The page of a live board. All numbers come from the server, which makes samples of what it is
// sent by the same steps as those of data sets: here they are only collected and shown.

import { Drawing } from "/drawing.js";
import { record, wav } from "/recorder.js";

const at = (id) => document.getElementById(id);
const MARK = { "X-Nhot": "1" };
const LOOK = 1000; // milliseconds between looks at the board

let takes = "nothing"; // what the network on the board takes
let working = false;

// ---- asking the server

async function ask(path, body) {
  const method = body === undefined ? "GET" : "POST";
  const response = await fetch(path, { method, body, headers: MARK });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

// One request at a time: what is drawn while the board is at work is run afterwards, once.
let waiting = null;

async function work(what, request) {
  if (working) {
    waiting = [what, request];
    return;
  }
  working = true;
  say(what);
  try {
    await request();
    say("");
  } catch (error) {
    say(error.message, true);
  }
  working = false;
  if (waiting !== null) {
    const next = waiting;
    waiting = null;
    work(...next);
  }
}

function say(text, bad = false) {
  at("message").textContent = text;
  at("message").hidden = text === "";
  at("message").classList.toggle("bad", bad);
}

// ---- numbers and elements

const spaced = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const percent = (share) => `${(100 * share).toFixed(share < 0.1 && share > 0 ? 1 : 0)}\u202f%`;

function time(microseconds) {
  return microseconds < 1000 ? `${microseconds.toFixed(0)}\u202fµs`
    : `${(microseconds / 1000).toFixed(2)}\u202fms`;
}

function rate(microseconds) {
  const each = 1e6 / microseconds;
  return each < 100 ? each.toFixed(1) : spaced(Math.floor(each));
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function figure(value, text) {
  const made = element("data", "", text);
  made.value = value;
  return made;
}

function row(name, share, ...value) {
  const made = element("div", "row");
  const track = element("div", "track");
  const bar = element("div", "bar");
  bar.style.width = `${100 * share}%`;
  track.append(bar);
  const last = element("div", "value");
  last.append(...value);
  made.append(element("div", "name", name), track, last);
  return made;
}

function tile(value, text, what) {
  const made = element("div", "tile");
  const large = element("b");
  large.append(figure(value, text));
  made.append(large, element("span", "", what));
  return made;
}

function entry(name, value, text) {
  const made = element("div");
  const held = element("dd");
  held.append(typeof value === "number" ? figure(value, text ?? spaced(value)) : value);
  made.append(element("dt", "", name), held);
  return made;
}

// ---- showing

function showState(state) {
  const { network, counters, progress, busy } = state;
  takes = network === null ? "nothing" : network.takes;
  for (const part of document.querySelectorAll("[data-takes]")) {
    part.hidden = part.dataset.takes !== takes;
  }
  const [done, all] = progress;
  if (busy && done < all) say(`Loading: ${spaced(done)} of ${spaced(all)} bytes`);
  at("name").textContent = document.title = network === null ? "nhot" : network.name;
  at("about").textContent = [
    ...(network === null ? [] : [`${network.format} weights`]), state.place,
    ...(network?.megahertz ? [`${network.megahertz} MHz`] : []),
  ].join(" · ");
  const entries = [];
  if (network !== null) {
    entries.push(
      entry("input", network.input.join(" × ")), entry("layers", network.layers),
      entry("weights", network.weights), entry("MACs", network.macs),
      entry("engine", network.engine),
    );
  }
  if (counters !== null) showCounters(counters, entries);
  at("board").replaceChildren(...entries);
}

function showCounters(counters, entries) {
  entries.push(
    entry("runs, modulo 256", counters.runs), entry("frames dropped", counters.dropped),
    entry("requests repeated", counters.repeated), entry("fault", counters.fault),
  );
}

function showRun(run) {
  showSeen(run.seen);
  showAnswer(run.answer);
  const tiles = [tile(run.cycles, spaced(run.cycles), "cycles, counted by the board")];
  if (run.microseconds !== null) {
    tiles.push(
      tile(run.microseconds, time(run.microseconds), "an inference, by the board's clock"),
      tile(1e6 / run.microseconds, rate(run.microseconds), "inferences a second"),
    );
  }
  tiles.push(tile(run.stalls, spaced(run.stalls), "of the cycles waited for memory"));
  at("tiles").replaceChildren(...tiles);
  const most = Math.max(...run.layers.map((layer) => layer.cycles));
  at("layers").replaceChildren(...run.layers.map((layer) => {
    const share = layer.utilisation === null ? "" : ` · ${percent(layer.utilisation)}`;
    return row(layer.name, layer.cycles / most, figure(layer.cycles, spaced(layer.cycles)),
      element("span", "", share));
  }));
  at("layers-card").hidden = false;
}

function showSeen({ shape, pixels }) {
  const [height, width, channels] = shape;
  const bytes = Uint8Array.from(atob(pixels), (one) => one.charCodeAt(0));
  // A spectrogram lies on its side: time goes to the right, the lowest coefficient is at the foot.
  const turned = takes === "sound";
  const canvas = at("seen");
  [canvas.width, canvas.height] = turned ? [height, width] : [width, height];
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(canvas.width, canvas.height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const to = turned ? (width - 1 - x) * height + y : y * width + x;
      for (let c = 0; c < 3; c += 1) {
        image.data[4 * to + c] = bytes[(y * width + x) * channels + (channels === 3 ? c : 0)];
      }
      image.data[4 * to + 3] = 255;
    }
  }
  pen.putImageData(image, 0, 0);
  at("seen-shape").textContent = turned ? `${height} frames of ${width} coefficients`
    : `${width} × ${height}${channels === 3 ? ", in colour" : ""}`;
}

function showAnswer(answer) {
  at("class").textContent = answer.class ?? "no classes";
  const best = answer.class;
  const scores = [...answer.scores].slice(0, 1000);
  if (scores.length > 12) scores.sort((a, b) => b.share - a.share).splice(12);
  at("scores").replaceChildren(...scores.map((score) => {
    const made = row(score.name, score.share, figure(score.share, percent(score.share)),
      element("span", "", ` ${score.integer}`));
    made.classList.toggle("best", score.name === best);
    return made;
  }));
}

// ---- samples

const run = (path, file, what) => work(what, async () => {
  showRun(await ask(path, file));
  showState(await ask("/state"));
});

const runPicture = (file) => run("/picture", file, "Running the picture …");
const runSound = (file) => run("/sound", file, "Running the sound …");

const drawing = new Drawing(at("drawing"), async () => runPicture(await drawing.file()));
at("clear").addEventListener("click", () => drawing.clear());

function give(input, take) {
  input.addEventListener("change", () => {
    if (input.files.length) take([...input.files]);
    input.value = ""; // so that the same file may be chosen again
  });
}

give(at("picture"), ([file]) => runPicture(file));
give(at("sound"), ([file]) => runSound(file));
give(at("files"), (files) => load(files));

at("record").addEventListener("click", () => work("Listening …", async () => {
  at("record").disabled = true;
  try {
    showRun(await ask("/sound", wav(await record(1))));
  } finally {
    at("record").disabled = false;
  }
  showState(await ask("/state"));
}));

// ---- another network

async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  }
  return btoa(text);
}

function load(files) {
  const ending = (end) => files.find((file) => file.name.toLowerCase().endsWith(end));
  const [image, network] = [ending(".img"), ending(".onnx")];
  if (!image || !network) {
    say("Choose two files: the image (.img) and the network that it was made of (.onnx)", true);
    return;
  }
  work("Loading …", async () => {
    const body = { image: await base64(image), network: await base64(network) };
    showState(await ask("/load", JSON.stringify(body)));
  });
}

// ---- files that are dropped

const body = document.body;
body.addEventListener("dragover", (event) => {
  event.preventDefault();
  body.classList.add("dropping");
});
body.addEventListener("dragleave", () => body.classList.remove("dropping"));
body.addEventListener("drop", (event) => {
  event.preventDefault();
  body.classList.remove("dropping");
  const files = [...event.dataTransfer.files];
  if (!files.length) return;
  if (files.some((file) => /\.(img|onnx)$/i.test(file.name))) load(files);
  else if (takes === "picture") runPicture(files[0]);
  else if (takes === "sound") runSound(files[0]);
});

// ---- the board, now and then

async function look() {
  try {
    showState(await ask("/state"));
  } catch (error) {
    say(`nhot serve does not answer: ${error.message}`, true);
  }
}

await look();
setInterval(() => { if (working) look(); }, LOOK);
