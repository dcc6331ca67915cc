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
