'use strict';
for (const box of document.querySelectorAll('.layers')) {
  const control = box.querySelector('.control'), slider = control.querySelector('input');
  const rows = [...box.querySelectorAll('tr[data-values]')].map(
    row => [row.lastElementChild.firstElementChild, JSON.parse(row.dataset.values)]);
  const show = () => {
    control.querySelector('output').textContent = slider.value;
    for (const [cell, values] of rows) cell.textContent = values[slider.value - 1] ?? '';
  };
  const follow = () => {
    const asked = /^#layer=(\d+)$/.exec(location.hash);
    if (asked) { slider.value = asked[1]; box.scrollIntoView(); }
    show();
  };
  slider.addEventListener('input', show);
  addEventListener('hashchange', follow);
  control.hidden = false;
  box.querySelector('.fixed').hidden = true;
  follow();
}
const menu = document.querySelector('nav details'), sidebar = matchMedia('(min-width: 84rem)');
if (menu) {
  const unfold = () => { menu.open = sidebar.matches; };
  sidebar.addEventListener('change', unfold);
  unfold();
  menu.addEventListener('click', event => { if (event.target.closest('a') && !sidebar.matches) menu.open = false; });
}
const links = new Map([...document.querySelectorAll('nav a')].map(link => [link.getAttribute('href').slice(1), link]));
const inView = new Set();
const watcher = new IntersectionObserver(entries => {
  for (const entry of entries) inView[entry.isIntersecting ? 'add' : 'delete'](entry.target.id);
  let current = '';
  for (const [id, link] of links) {
    link.removeAttribute('aria-current');
    if (!current && inView.has(id)) current = id;
  }
  if (current) links.get(current).setAttribute('aria-current', 'true');
}, { rootMargin: '-10% 0px -60% 0px' });
for (const section of document.querySelectorAll('main section[id]')) if (links.has(section.id)) watcher.observe(section);

// Numbers of a plot at the x that a pointer is nearest to, or that the arrow keys have gone to.
const readout = document.body.appendChild(document.createElement('div'));
readout.className = 'readout';
readout.setAttribute('role', 'status');
readout.hidden = true;
let hideShown = () => {};

const add = (parent, name, text) => {
  const child = parent.appendChild(document.createElement(name));
  if (text !== undefined) child.textContent = text;
  return child;
};

// Beside a point of the window, where there is room for it.
function placeReadout(x, y) {
  const { width } = readout.getBoundingClientRect(), fits = x + 12 + width < document.documentElement.clientWidth;
  readout.style.left = `${Math.max(4, fits ? x + 12 : x - 12 - width)}px`;
  readout.style.top = `${Math.max(4, y)}px`;
}

function readPlot({ x, log, ends, area: [left, top, width, height], curves }) {
  const scaled = log ? Math.log : value => value;
  const [low, high] = ends.map(scaled);
  const xs = [...new Set(curves.flatMap(curve => curve.points.map(([at]) => at)))].sort((a, b) => a - b);
  const places = xs.map(at => left + (scaled(at) - low) / (high - low) * width);
  return { x, xs, places, curves, left, top, width, height };
}

function printValues({ x, xs, curves }, index) {
  readout.replaceChildren();
  add(readout, 'strong', `${x} ${xs[index]}`);
  const rows = add(readout, 'table');
  for (const { label, colour, points } of curves) {
    const point = points.find(([at]) => at === xs[index]);
    if (!point) continue;
    const [, y, low, high] = point, row = add(rows, 'tr');
    add(add(row, 'td'), 'i').style.background = colour;
    add(row, 'td', label);
    add(row, 'td', y);
    add(row, 'td', low === undefined ? '' : `[${low}, ${high}]`);
  }
}

for (const panel of document.querySelectorAll('svg[data-plots]')) {
  const box = panel.viewBox.baseVal;
  const mark = panel.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'line'));
  mark.setAttribute('class', 'mark');
  let plots, plot, index;
  const read = () => plots ??= JSON.parse(panel.dataset.plots).map(readPlot);
  const onPage = () => { const frame = panel.getBoundingClientRect(); return { frame, scale: frame.width / box.width }; };
  const hide = () => { readout.hidden = true; mark.setAttribute('visibility', 'hidden'); };
  const show = () => {
    const place = plot.places[index], { frame, scale } = onPage();
    for (const [name, value] of [['x1', place], ['x2', place], ['y1', plot.top], ['y2', plot.top + plot.height]])
      mark.setAttribute(name, value);
    mark.setAttribute('visibility', 'visible');
    printValues(plot, index);
    readout.hidden = false;
    hideShown = hide;
    placeReadout(frame.left + (place - box.x) * scale, frame.top + (plot.top - box.y) * scale);
  };
  const point = event => {
    const { frame, scale } = onPage();
    const x = box.x + (event.clientX - frame.left) / scale, y = box.y + (event.clientY - frame.top) / scale;
    plot = read().find(({ left, top, width, height }) => x >= left && x <= left + width && y >= top && y <= top + height);
    if (!plot) return hide();
    const distances = plot.places.map(place => Math.abs(place - x));
    index = distances.indexOf(Math.min(...distances));
    show();
  };
  hide();
  panel.tabIndex = 0;
  panel.setAttribute('role', 'application');  // the arrow keys are the plot's
  panel.setAttribute('aria-roledescription', 'plot, read with the arrow keys');
  panel.addEventListener('pointermove', point);
  panel.addEventListener('pointerdown', point);
  panel.addEventListener('pointerleave', event => { if (event.pointerType !== 'touch') hide(); });
  panel.addEventListener('blur', hide);
  panel.addEventListener('keydown', event => {
    if (event.key === 'Escape') return hide();
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key] ?? 0, turn = { ArrowUp: -1, ArrowDown: 1 }[event.key] ?? 0;
    if (!step && !(turn && read().length > 1)) return;
    event.preventDefault();
    if (!plot) {
      plot = read()[0];
      index = step < 0 ? plot.xs.length : -1;
    } else if (turn) {
      const x = plot.xs[index];
      plot = read()[Math.min(Math.max(read().indexOf(plot) + turn, 0), read().length - 1)];
      index = Math.max(plot.xs.findIndex(at => at >= x), 0);
    }
    index = Math.min(Math.max(index + step, 0), plot.xs.length - 1);
    show();
  });
}
addEventListener('scroll', () => hideShown(), { passive: true, capture: true });  // the readout would stay where it is

// Attention maps of the layer, head and text that the reader chooses, one per pass.
const viridis = ['#440154', '#482878', '#3E4989', '#31688E', '#26828E', '#1F9E89', '#35B779', '#6DCD59', '#B4DE2C', '#FDE725'].map(
  colour => [1, 3, 5].map(at => parseInt(colour.slice(at, at + 2), 16)));

function colourOf(share) {
  const at = share * (viridis.length - 1), below = Math.min(Math.floor(at), viridis.length - 2);
  return `rgb(${viridis[below].map((from, i) => Math.round(from + (at - below) * (viridis[below + 1][i] - from))).join(' ')})`;
}

// A token with its spaces in sight.
const visible = token => token.replaceAll(' ', '·').replaceAll('\n', '⏎').replaceAll('\t', '⇥') || '∅';
const shortened = token => token.length > 9 ? `${token.slice(0, 8)}…` : token;

const drawn = (parent, name, attributes, text) => {
  const element = parent.appendChild(document.createElementNS('http://www.w3.org/2000/svg', name));
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

// One square map with tokens on its axes. Returns what fills it: with where the numbers are from, tokens [n] and shares,
// rows one after the other.
function makeMap(parent, pass, n) {
  const cell = 16, left = 84, top = 22, side = n * cell;
  const map = drawn(parent, 'svg', { viewBox: `0 0 ${left + side + 4} ${top + side + 84}`, role: 'img' });
  const title = drawn(map, 'text', { x: left, y: 14, class: 'title' });
  const cells = [], rows = [], columns = [];
  for (let q = 0; q < n; ++q) {
    const middle = (q + 0.5) * cell;
    rows.push(drawn(map, 'text', { x: left - 5, y: top + middle + 4, 'text-anchor': 'end' }));
    columns.push(drawn(map, 'text', { transform: `translate(${left + middle + 4} ${top + side + 5}) rotate(-90)`, 'text-anchor': 'end' }));
    for (let k = 0; k <= q; ++k) cells.push(drawn(map, 'rect', { x: left + k * cell, y: top + q * cell, width: cell - 0.5, height: cell - 0.5 }));
  }
  let words = [], values = [];
  const hide = () => { readout.hidden = true; };
  map.addEventListener('pointermove', event => {
    const at = cells.indexOf(event.target);
    if (at < 0) return hide();
    const query = Math.floor((Math.sqrt(8 * at + 1) - 1) / 2), key = at - query * (query + 1) / 2;
    readout.replaceChildren();
    add(readout, 'strong', (values[at] / 255).toFixed(2));
    add(readout, 'div', `from ${query} ${visible(words[query])} to ${key} ${visible(words[key])}`);
    readout.hidden = false;
    hideShown = hide;
    placeReadout(event.clientX, event.clientY);
  });
  map.addEventListener('pointerleave', event => { if (event.pointerType !== 'touch') hide(); });
  return (place, tokens, shares) => {
    [words, values] = [tokens, shares];
    title.textContent = `${place}, ${pass}`;
    map.setAttribute('aria-label', `Attention in ${title.textContent}`);
    tokens.forEach((token, at) => { rows[at].textContent = columns[at].textContent = shortened(visible(token)); });
    cells.forEach((element, at) => element.setAttribute('fill', colourOf(shares[at] / 255)));
  };
}

for (const box of document.querySelectorAll('.chooser')) {
  const { layers, heads, layer, passes, texts, shares } = JSON.parse(box.dataset.maps);
  const bytes = Uint8Array.from(atob(shares), letter => letter.charCodeAt(0));
  const n = texts[0].length, size = n * (n + 1) / 2;
  const controls = document.createElement('div'), maps = document.createElement('div');
  box.prepend(controls, maps);
  maps.className = 'heads';
  const control = (name, element, attributes) => {
    const label = add(controls, 'label', `${name} `), input = add(label, element);
    Object.assign(input, attributes);
    label.className = 'control';
    input.addEventListener('input', () => show());
    return input;
  };
  const slider = (name, max, value) => {
    const input = control(name, 'input', { type: 'range', min: 1, max, value });
    return [input, add(input.parentNode, 'output')];
  };
  const text = control('Text', 'select', {});
  texts.forEach((tokens, at) => { add(text, 'option', `${tokens.slice(0, 6).join('').trim()} …`).value = at; });
  const [layerInput, layerOutput] = slider('Layer', layers, layer), [headInput, headOutput] = slider('Head', heads, 1);
  const fills = passes.map(pass => makeMap(maps, pass, n));
  const show = () => {
    const [t, l, h] = [+text.value, +layerInput.value, +headInput.value];
    layerOutput.textContent = `${l} of ${layers}`;
    headOutput.textContent = `${h} of ${heads}`;
    fills.forEach((fill, pass) => {
      const start = (((pass * texts.length + t) * layers + l - 1) * heads + h - 1) * size;
      fill(`Layer ${l}, head ${h}`, texts[t], bytes.subarray(start, start + size));
    });
  };
  show();
}
