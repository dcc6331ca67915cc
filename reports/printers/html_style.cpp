#include "reports/printers/html_style.h"

namespace replicate {

// Colours: Okabe and Ito's, darkened on light ground and lightened on dark until text on them has a
// contrast of 4.5 : 1. Verdicts differ in word and shape as well.
const std::string_view kStyleSheet = R"css(
:root {
  color-scheme: light dark;
  --ground: #ffffff; --panel: #f6f7f9; --ink: #1b1f24; --soft: #5b6470; --rule: #dfe3e8;
  --link: #005a9c; --focus: #d55e00;
  --pass: #00694c; --pass-ground: #e2f3ec;
  --fail: #a83f00; --fail-ground: #fdebe0;
  --inconclusive: #7a5800; --inconclusive-ground: #fbf1d5;
  --skipped: #56606b; --skipped-ground: #edeff2;
  --error: #8f2f6f; --error-ground: #f9e8f2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171b; --panel: #1c2026; --ink: #e4e7eb; --soft: #a2abb6; --rule: #323942;
    --link: #7cc0f2; --focus: #f0a04b;
    --pass: #5fd0a8; --pass-ground: #12332a;
    --fail: #ff9d61; --fail-ground: #402110;
    --inconclusive: #ecc25a; --inconclusive-ground: #382c0c;
    --skipped: #b3bcc6; --skipped-ground: #2a3037;
    --error: #ec9ac9; --error-ground: #3d1b30;
  }
  .panels:not(.maps) { filter: brightness(1.3); }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, "Noto Sans",
    "Liberation Sans", "DejaVu Sans", sans-serif;
  overflow-wrap: break-word;
}
main { max-width: 68rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
nav { padding: 1rem 1.5rem 0; max-width: 68rem; margin: 0 auto; font-size: 0.84rem; line-height: 1.45; }
nav ul { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.1rem 1rem; }
nav li { margin: 0; }
nav a { color: var(--soft); text-decoration: none; display: inline-block; padding: 0.15rem 0; }
nav a:hover, nav a[aria-current] { color: var(--link); }
nav a[aria-current] { font-weight: 600; }
nav svg { width: 0.85em; height: 0.85em; margin-right: 0.4em; vertical-align: -0.08em; color: var(--skipped); }
nav .pass svg { color: var(--pass); }
nav .fail svg { color: var(--fail); }
nav .inconclusive svg { color: var(--inconclusive); }
nav .error svg { color: var(--error); }
@media screen and (min-width: 84rem) {
  nav { position: fixed; inset: 0 auto 0 0; width: 15.5rem; margin: 0; padding: 2.6rem 0.5rem 2rem 1.25rem; overflow-y: auto; }
  nav ul { display: block; }
  nav + main { margin-left: max(16rem, calc((100vw - 68rem) / 2)); }
}
.layers .control { display: flex; align-items: center; gap: 0.6rem; margin-bottom: 0.6rem; font-variant-numeric: tabular-nums; }
.layers .control[hidden] { display: none; }
.layers input { width: min(28rem, 50vw); accent-color: var(--link); }
.layers td:last-child { white-space: nowrap; font-variant-numeric: tabular-nums; }
[title] { text-decoration: underline dotted var(--rule); text-underline-offset: 0.25em; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 1rem; text-wrap: balance; letter-spacing: -0.01em; }
h2 { font-size: 1.4rem; line-height: 1.3; margin: 0 0 0.75rem; text-wrap: balance; }
h2 code { display: block; font-size: 0.85rem; font-weight: normal; color: var(--soft); margin-top: 0.2rem; }
h3 { font-size: 1.02rem; margin: 1.75rem 0 0.5rem; }
p { margin: 0 0 0.9rem; max-width: 46rem; }
section { margin-top: 3.25rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); scroll-margin-top: 0; }
section#verdicts { margin-top: 2rem; border-top: 0; padding-top: 0; }
a { color: var(--link); text-underline-offset: 0.15em; }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100vw; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--ground); padding: 0.3rem 0.6rem; }
.lead { font-size: 1.1rem; line-height: 1.6; max-width: 54rem; }
.note, .muted, figcaption { color: var(--soft); }
.note, figcaption { font-size: 0.875rem; line-height: 1.5; }
.warning { border-left: 4px solid var(--inconclusive); background: var(--inconclusive-ground);
  padding: 0.7rem 1rem; }
blockquote { margin: 0 0 1.25rem; padding: 0.1rem 0 0.1rem 1rem; border-left: 4px solid var(--rule); }
blockquote p { margin: 0; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono",
  "DejaVu Sans Mono", monospace; }
code { font-size: 0.84em; }
pre { background: var(--panel); border: 1px solid var(--rule); border-radius: 6px; padding: 0.7rem 0.9rem;
  font-size: 0.82rem; line-height: 1.5; margin: 0 0 0.9rem; white-space: pre-wrap; overflow-wrap: anywhere; }

/* Verdicts */
.verdict { display: inline-flex; align-items: center; gap: 0.35em; padding: 0.05em 0.55em 0.05em 0.4em;
  border-radius: 1em; font-weight: 600; font-size: 0.875rem; line-height: 1.55; white-space: nowrap; }
.verdict svg { width: 0.95em; height: 0.95em; flex: none; }
.verdict.pass { color: var(--pass); background: var(--pass-ground); }
.verdict.fail { color: var(--fail); background: var(--fail-ground); }
.verdict.inconclusive { color: var(--inconclusive); background: var(--inconclusive-ground); }
.verdict.skipped { color: var(--skipped); background: var(--skipped-ground); }
.verdict.error { color: var(--error); background: var(--error-ground); }

/* Tables */
.table { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.45;
  font-variant-numeric: tabular-nums lining-nums; }
th, td { text-align: left; vertical-align: top; padding: 0.5rem 0.9rem 0.5rem 0; border-bottom: 1px solid var(--rule); }
th:last-child, td:last-child { padding-right: 0; }
thead th { font-weight: 600; font-size: 0.8rem; color: var(--soft); vertical-align: bottom;
  border-bottom: 2px solid var(--rule); }
.number { text-align: right; white-space: nowrap; }
#verdicts td:first-child { min-width: 11rem; }
#verdicts td:first-child a { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono",
  "DejaVu Sans Mono", monospace; font-size: 0.84em; font-weight: 600; text-underline-offset: 0.3em; }
#verdicts th:nth-child(1) { width: 27%; }
#verdicts th:nth-child(2) { width: 31%; }
#verdicts th:nth-child(4) { width: 9rem; }

#chain table { table-layout: fixed; }
#chain th:nth-child(1) { width: 9.5%; }
#chain th:nth-child(2) { width: 28%; }
#chain th:nth-child(3) { width: 20%; }
#chain th:nth-child(4) { width: 26%; }

/* Plots: one drawing, shown panel by panel, so that panels can wrap on a narrow screen */
figure { margin: 1.25rem 0; }
.panels { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: 0.75rem 1.25rem; }
.panels svg { width: 100%; height: auto; display: block; }
.panels.single { max-width: 42rem; }
.panels.page { overflow-x: auto; }
figcaption { margin-top: 0.5rem; }
.drawing { position: absolute; width: 0; height: 0; }
svg text { font-family: inherit; }

/* Folds, definitions */
details { margin: 0.75rem 0; border: 1px solid var(--rule); border-radius: 6px; padding: 0 0.9rem; }
summary { cursor: pointer; padding: 0.55rem 0; font-weight: 600; font-size: 0.95rem; }
details[open] summary { margin-bottom: 0.3rem; }
dl { display: grid; grid-template-columns: minmax(9rem, 14rem) minmax(0, 1fr); gap: 0.45rem 1.5rem; margin: 0;
  font-size: 0.92rem; line-height: 1.5; }
dt { font-weight: 600; }
dd { margin: 0; overflow-wrap: anywhere; }
li { margin-bottom: 0.35rem; max-width: 46rem; }
ul { padding-left: 1.2rem; }

/* Narrow screens: a table row becomes a card, each cell labelled with its column */
@media screen and (max-width: 44rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.5rem; }
  h2 { font-size: 1.22rem; }
  .lead { font-size: 1.02rem; }
  .panels { grid-template-columns: minmax(0, 1fr); }
  .panels.page svg { width: 46rem; }
  #chain table { table-layout: auto; }
  table, tbody, tr, td { display: block; width: 100%; }
  thead { position: absolute; left: -200vw; }
  tr { border: 1px solid var(--rule); border-radius: 6px; padding: 0.45rem 0.8rem; margin-bottom: 0.6rem; }
  td, td.number { display: grid; grid-template-columns: 7.2rem minmax(0, 1fr); gap: 0.6rem; border: 0;
    padding: 0.18rem 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--soft); font-size: 0.8rem; line-height: 1.6; }
  td.empty { display: none !important; }
  td:first-child, #verdicts td { display: block; max-width: none; }
  td:first-child { font-size: 0.98rem; padding-bottom: 0.3rem; }
  td:first-child::before { display: none; }
  #verdicts tr { display: flex; flex-direction: column; }
  #verdicts td { padding: 0.25rem 0; order: 2; }
  #verdicts td:first-child, #verdicts td:last-child { order: 1; }
  td .verdict { justify-self: start; }
  #verdicts td::before { display: block; }
  #verdicts td:first-child::before, #verdicts td:last-child::before { display: none; }
  dl { grid-template-columns: minmax(0, 1fr); gap: 0.1rem; }
  dd { margin-bottom: 0.6rem; }
}

@page { size: A4; margin: 16mm 15mm 18mm; }
@media print {
  :root { --ground: #fff; --panel: #f6f7f9; --ink: #000; --soft: #444; --rule: #bbb; --link: #000; color-scheme: light;
    --pass: #00694c; --pass-ground: #e2f3ec; --fail: #a83f00; --fail-ground: #fdebe0;
    --inconclusive: #7a5800; --inconclusive-ground: #fbf1d5; --skipped: #56606b; --skipped-ground: #edeff2;
    --error: #8f2f6f; --error-ground: #f9e8f2; }
  html { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  p, li, .lead { max-width: none; }
  a { text-decoration: none; }
  h1, h2, h3, summary { break-after: avoid; }
  .table, tr, figure, blockquote, pre, dt, dd { break-inside: avoid; }
  section { margin-top: 1.6rem; padding-top: 1rem; }
  .table { overflow: visible; }
  table { font-size: 0.84rem; }
  th, td { padding-right: 0.6rem; }
  details { border: 0; padding: 0; }
  details::details-content { content-visibility: visible; display: block; height: auto; }
  summary { list-style: none; }
  .verdict { -webkit-print-color-adjust: exact; print-color-adjust: exact; border: 0.5pt solid currentColor; }
  .panels { filter: none; }
  .skip, nav, .layers .control { display: none !important; }
  .layers .fixed { display: block !important; }
  section.claim { break-before: page; border-top: 0; }
  [title] { text-decoration: none; }
}
)css";

const std::string_view kIcons = R"svg(<svg class="drawing" aria-hidden="true">
<symbol id="icon-pass" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7.5" fill="currentColor"/><path d="M4.3 8.4l2.6 2.5 4.8-5.4" fill="none" stroke="var(--ground)" stroke-width="1.9" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="icon-fail" viewBox="0 0 16 16"><rect x="1" y="1" width="14" height="14" rx="2" fill="currentColor"/><path d="M5 5l6 6M11 5l-6 6" stroke="var(--ground)" stroke-width="1.9" stroke-linecap="round"/></symbol>
<symbol id="icon-inconclusive" viewBox="0 0 16 16"><path d="M8 .6L15.4 8 8 15.4.6 8z" fill="currentColor"/><path d="M5 8h6" stroke="var(--ground)" stroke-width="1.9" stroke-linecap="round"/></symbol>
<symbol id="icon-skipped" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="2"/></symbol>
<symbol id="icon-error" viewBox="0 0 16 16"><path d="M8 1L15.6 15H.4z" fill="currentColor"/><path d="M8 6v4.4" stroke="var(--ground)" stroke-width="1.8" stroke-linecap="round"/><circle cx="8" cy="12.7" r="1.1" fill="var(--ground)"/></symbol>
</svg>
)svg";

}  // namespace replicate
