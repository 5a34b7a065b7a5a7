// What is seen of the page: words and figures into its elements, and its user's choice out of them.

const at = (id) => document.getElementById(id);

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

export function say(text) {
  at("said").textContent = text;
}

export function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = false;
  at("run").hidden = at("choose").hidden = true;
}

export function facts(rows) {
  at("facts").replaceChildren(...rows.flatMap(([name, text]) => [made("dt", name), made("dd", text)]));
}

/** The ids of the cells that the user leaves ticked, once he presses Start. */
export function chosen(cells) {
  const boxes = cells.map((cell) => {
    const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: cell.ticked, name: cell.id });
    const label = made("label");
    label.append(box, made("span", cell.name), made("span", megabytes(cell.files.reduce((sum, one) => sum + one.packed_bytes, 0)), "muted"));
    at("cells").append(made("li", "", "", label));
    return box;
  });
  const form = at("cells").closest("form");
  const cost = () => {
    const files = new Map(cells.filter((_, place) => boxes[place].checked).flatMap((cell) => cell.files.map((one) => [one.sha256, one.packed_bytes])));
    const bytes = [...files.values()].reduce((sum, one) => sum + one, 0);
    at("cost").textContent = files.size ? `${megabytes(bytes)} to download once, engines included; this browser keeps them.` : "Tick what is to be measured.";
    form.querySelector("button").disabled = !files.size;
  };
  at("choose").hidden = false;
  form.addEventListener("change", cost);
  cost();
  return new Promise((resolve) => {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      at("choose").hidden = true;
      resolve(boxes.filter((box) => box.checked).map((box) => box.name));
    });
  });
}

export function step(doing, done, of) {
  at("run").hidden = false;
  at("doing").textContent = doing;
  at("passes").textContent = `step ${Math.min(done + 1, of)} of ${of}`;
  at("whole").max = Math.max(of, 1);
  at("whole").value = done;
  progress(0, 1, "");
}

export function progress(done, of, what) {
  at("step").max = of;
  at("step").value = done;
  at("detail").textContent = what;
}

export function results(cards) {
  if (at("cards").childElementCount === cards.length) return;
  at("results").hidden = !cards.length;
  at("cards").replaceChildren(...cards.toReversed().map(card));
}

export function ended() {
  at("run").hidden = true;
}

function card({ name, figure, verdict, lines }) {
  const one = made("article", "", verdict);
  one.append(made("h3", name), made("p", figure, "figure"), made("p", verdict, "verdict"), ...lines.map((line) => made("p", line)));
  return one;
}

function made(tag, text = "", kind = "", ...inside) {
  const one = document.createElement(tag);
  one.textContent = text;
  if (kind) one.className = kind;
  one.append(...inside);
  return one;
}
