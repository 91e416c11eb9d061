// Copies what the page needs of its packages into vendor/, with their licences:
// npm ci && npm run vendor
import { copyFileSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const from = fileURLToPath(new URL('node_modules/uplot/', import.meta.url));
const to = fileURLToPath(new URL('vendor/uplot/', import.meta.url));

mkdirSync(to, { recursive: true });
for (const [source, target] of [
  ['dist/uPlot.esm.js', 'uPlot.esm.js'],
  ['dist/uPlot.min.css', 'uPlot.min.css'],
  ['LICENSE', 'LICENSE'],
]) {
  copyFileSync(from + source, to + target);
}
