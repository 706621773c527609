/**
 * Lint rules. The layer rule is ours (below): who may import whom is in `LAYERS`, with what to do instead in each message. Rules that need
 * types run only where promises may occur at all, which keeps `npm run lint` fast: elsewhere promises are forbidden by syntax.
 */
import { dirname, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import tseslint from 'typescript-eslint';

const root = dirname(fileURLToPath(import.meta.url));
const SERVERS = ['vfs', 'net', 'ipc', 'signal'].map((name) => `servers/${name}`);

/** Layer -> what it may import besides itself. Layers that are not listed (test, ltp, bench, scripts) may import anything. */
const LAYERS = new Map([
  ['shared', ['native']],
  ['native', ['shared']],
  ['kernel', ['shared', 'native']],
  ...SERVERS.map((server) => [server, ['shared', 'native']]),
  ['image', ['shared', 'native']],
  ['cli', ['shared', 'native', 'image']],
]);

const INSTEAD = {
  server: 'servers never import each other or the kernel: move what both need to shared/, or send a message (shared/messages.ts)',
  shared: 'shared/ imports nothing above it: move the code up to its one user, or pass it in as an argument',
  image: 'image/ fetches, keeps and unpacks images and knows nothing of containers: what vfs reads of it is declared in shared/layer-index.ts',
  cli: 'cli/ starts workers and talks to them over their control port (shared/control.ts); it may import kernel/boot*.ts, image/, shared/ and native/ only',
  other: 'see the import rules in STYLE.md, section 1',
};

function layerOf(path) {
  const parts = relative(root, path).split(sep);
  return parts[0] === 'servers' ? parts.slice(0, 2).join('/') : parts[0];
}

const layers = {
  meta: { type: 'problem', schema: [], messages: { layer: '{{from}} must not import {{to}}: {{instead}}' } },
  create(context) {
    const from = layerOf(context.filename);
    const allowed = LAYERS.get(from);
    if (allowed === undefined) return {};
    const check = (node) => {
      const source = node.source?.value;
      if (typeof source !== 'string' || !source.startsWith('.')) return;
      const path = resolve(dirname(context.filename), source);
      const to = layerOf(path);
      if (to === from || allowed.includes(to)) return;
      if (from === 'cli' && /^kernel\/boot[^/]*$/.test(relative(root, path))) return;
      const instead = from.startsWith('servers/') || from === 'kernel' ? INSTEAD.server : INSTEAD[from] ?? INSTEAD.other;
      context.report({ node, messageId: 'layer', data: { from: `${from}/`, to: `${to}/`, instead } });
    };
    return { ImportDeclaration: check, ImportExpression: check, ExportNamedDeclaration: check, ExportAllDeclaration: check };
  },
};

const NO_DEFAULT = { selector: 'ExportDefaultDeclaration', message: 'Use a named export: it greps, and it keeps its name where it is imported.' };
const B1 = 'is not for servers and the kernel below main.ts (STYLE B1): return Ret.BLOCKED and be called again.';
const NO_PROMISES = [
  { selector: ':function[async=true]', message: `async ${B1}` },
  { selector: 'AwaitExpression', message: `await ${B1}` },
  { selector: 'ForOfStatement[await=true]', message: `for await ${B1}` },
  { selector: ':function[generator=true]', message: `A generator ${B1}` },
  { selector: "NewExpression[callee.name='Promise'], MemberExpression[object.name='Promise']", message: `Promise ${B1}` },
  { selector: "TSTypeReference[typeName.name='Promise']", message: `Promise ${B1}` },
  { selector: "CallExpression[callee.name='setImmediate']", message: `setImmediate ${B1}` },
];

export default tseslint.config(
  { ignores: ['**/node_modules/', 'dist/', 'native/build/', 'shared/gen/', '**/*.d.ts', '.turbo/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    extends: [tseslint.configs.base],
    plugins: { carrick: { rules: { layers } } },
    rules: {
      'carrick/layers': 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', NO_DEFAULT],
      'max-lines': ['error', { max: 700 }],
      'eqeqeq': 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-fallthrough': 'error',
      'no-unreachable': 'error',
      'no-dupe-else-if': 'error',
      'no-duplicate-case': 'error',
      'no-self-assign': 'error',
      'no-self-compare': 'error',
      'no-constant-binary-expression': 'error',
      'no-compare-neg-zero': 'error',
      'no-unsafe-finally': 'error',
      'no-unsafe-negation': 'error',
      'no-sparse-arrays': 'error',
      'use-isnan': 'error',
      '@typescript-eslint/no-explicit-any': ['error', { fixToUnknown: false }],
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { args: 'none', caughtErrors: 'none', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
    },
  },
  {
    // Where promises are allowed, none may float.
    files: ['cli/**/*.ts', 'image/**/*.ts', 'kernel/main.ts', 'servers/*/main.ts', 'shared/control*.ts', 'shared/boot*.ts', 'test/**/*.ts', 'ltp/**/*.ts', 'bench/**/*.ts', '**/*.test.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: root } },
    rules: {
      // node:test's describe and it return promises that the runner itself awaits.
      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] }] }],
      '@typescript-eslint/no-misused-promises': 'error',
    },
  },
  {
    files: ['kernel/**/*.ts', 'servers/**/*.ts'],
    ignores: ['**/main.ts', '**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', NO_DEFAULT, ...NO_PROMISES] },
  },
  { files: ['shared/log.ts'], rules: { 'no-console': 'off' } },
  // Tables are as long as what they list.
  { files: ['shared/layout/**', 'kernel/syscalls/**'], rules: { 'max-lines': 'off' } },
  { files: ['eslint.config.js'], rules: { 'no-restricted-syntax': 'off' } },
);
