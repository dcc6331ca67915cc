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
  const hide = () => { readout.hidden = true; mark.setAttribute('visibility', 'hidden'); };
  const show = () => {
    const place = plot.places[index], frame = panel.getBoundingClientRect(), scale = frame.width / box.width;
    for (const [name, value] of [['x1', place], ['x2', place], ['y1', plot.top], ['y2', plot.top + plot.height]])
      mark.setAttribute(name, value);
    mark.setAttribute('visibility', 'visible');
    printValues(plot, index);
    readout.hidden = false;
    hideShown = hide;
    const at = frame.left + (place - box.x) * scale, { width } = readout.getBoundingClientRect();
    const right = at + 12 + width < document.documentElement.clientWidth;
    readout.style.left = `${Math.max(4, right ? at + 12 : at - 12 - width)}px`;
    readout.style.top = `${Math.max(4, frame.top + (plot.top - box.y) * scale)}px`;
  };
  const point = event => {
    const frame = panel.getBoundingClientRect(), scale = frame.width / box.width;
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
