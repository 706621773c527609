/** The page of `carrick profile --format html`: a flame graph to zoom and search in, above the text. %TITLE%, %DATA% and %TEXT% are filled in. */
export const PAGE = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>%TITLE%</title>
<style>
body { font: 13px system-ui, sans-serif; margin: 1em; }
#graph { position: relative; }
#graph div { position: absolute; height: 17px; overflow: hidden; white-space: nowrap; border-radius: 2px; padding: 0 2px; box-sizing: border-box; cursor: pointer; border: 1px solid #fff; }
#graph div.off { filter: saturate(.35) brightness(1.1); }
#graph div.hit { outline: 2px solid #c0f; }
pre { overflow-x: auto; }
</style></head><body>
<h1>%TITLE%</h1>
<p><input id="search" type="search" placeholder="search a function or call"> <span id="about">Click a box to zoom, the top one to come back. Pale boxes are time off a processor.</span></p>
<div id="graph"></div>
<pre>%TEXT%</pre>
<script>
const root = %DATA%;
const graph = document.getElementById('graph'), about = document.getElementById('about'), search = document.getElementById('search');
const OFF = /^(\\[asleep in the host\\]|\\[waiting for a processor\\]|queue|parked|wake-up|handler \\(.*\\))$/;
const HEIGHT = 18;
let zoomed = [root];
function colour(name) {
  let h = 0;
  for (const c of name) h = (h * 31 + c.codePointAt(0)) >>> 0;
  const hue = name.endsWith('[carrick]') ? 200 : name === '[host kernel]' ? 120 : 10 + h % 45;
  return 'hsl(' + hue + ',75%,' + (68 + h % 10) + '%)';
}
function box(node, path, x, width, depth) {
  const div = document.createElement('div');
  div.style.left = x + '%'; div.style.width = width + '%'; div.style.top = depth * HEIGHT + 'px'; div.style.background = colour(node.n);
  div.textContent = node.n;
  div.title = node.n + ': ' + (node.v / 1e6).toFixed(2) + ' ms, ' + (node.v / root.v * 100).toFixed(2) + ' %';
  if (OFF.test(node.n)) div.className = 'off';
  if (search.value !== '' && node.n.includes(search.value)) div.classList.add('hit');
  div.onclick = () => { zoomed = path; draw(); };
  div.onmouseenter = () => { about.textContent = div.title; };
  graph.append(div);
}
function below(node, path, x, width, depth) {
  if (width < 0.05) return depth;
  box(node, path, x, width, depth);
  let deepest = depth, at = x;
  for (const child of node.c) {
    const w = width * child.v / node.v;
    deepest = Math.max(deepest, below(child, [...path, child], at, w, depth + 1));
    at += w;
  }
  return deepest;
}
function draw() {
  graph.textContent = '';
  const node = zoomed[zoomed.length - 1];
  zoomed.slice(0, -1).forEach((above, i) => box(above, zoomed.slice(0, i + 1), 0, 100, i));
  graph.style.height = (below(node, zoomed, 0, 100, zoomed.length - 1) + 1) * HEIGHT + 'px';
}
search.oninput = draw;
draw();
</script></body></html>
`;
