import { chmodSync, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { defineConfig } from 'rolldown';
import type { Plugin } from 'rolldown';
import { licences } from './build/licences.ts';
import { nativePart } from './build/native-part.ts';
import { leftOut } from './build/left-out.ts';

/** Becomes `dist` once it is whole: who runs an installed `starling` meanwhile has the one before. */
const BUILT = 'dist.new';

const shared = {
  platform: 'node' as const,
  // Its `main` is UMD, whose named exports a bundler can't see.
  resolve: { alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' } },
};

/** What of the modules is in the package; the rest measures and shows, and stays with the sources. */
const PACKAGED = ['cli', 'sim-server'];

/** What starts the program, and what measures and shows. */
const modules = defineConfig({
  ...shared,
  // Drives a browser for the benchmark, and finds files of its own beside itself.
  external: ['playwright-core'],
  input: {
    cli: 'build/start.ts',
    'write-compiled': 'build/write-compiled.ts',
    sim: 'sim/run.ts',
    'sim-command': 'sim/command.ts',
    'sim-server': 'sim/server.ts',
    demo: 'sim/demo.ts',
    bench: 'sim/bench/run.ts',
    'bench-loader': 'sim/bench/loader.ts',
    'bench-upstream': 'sim/bench/upstream.ts',
    'bench-agent': 'sim/bench/agents/program.ts',
    'bench-asker': 'sim/bench/models/asker.ts',
    'bench-vendor': 'sim/bench/models/vendor.ts',
    'bench-board-member': 'sim/bench/board/runs/member.ts',
    'bench-board-newcomer': 'sim/bench/board/newcomer-process.ts',
    'bench-board-strong': 'sim/bench/board/strong-process.ts',
    'bench-board-strong-floor': 'sim/bench/board/strong-floor-process.ts',
    'bench-floor': 'sim/bench/floors/process.ts',
    hostile: 'sim/hostile/process.ts',
    soak: 'sim/soak/run.ts',
    'soak-upstream': 'sim/soak/upstream.ts',
    'soak-probe': 'sim/soak/probe.ts',
  },
  plugins: [
    {
      name: 'executable',
      // `npm install -g .` links to the file: a later build must not take the bit away again.
      writeBundle: () => chmodSync(`${BUILT}/cli.js`, 0o755),
    },
    nativePart(BUILT),
    leftOut(PACKAGED),
    licences(BUILT, PACKAGED),
  ],
  output: {
    dir: BUILT,
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
    banner: (chunk) => (chunk.name === 'cli' ? '#!/usr/bin/env node' : ''),
  },
});

/**
 * Writes characters beyond ASCII as escapes, in texts, patterns and comments alike: one such letter makes V8
 * keep a chunk of megabytes in two bytes a character, each time that a command starts. A chunk stays as it is
 * where an escape would mean something else: behind a backslash, and in a text that is taken raw.
 */
function asciiOnly(code: string): string {
  if (/\\[^\0-\x7F]|String\.raw`[^`]*[^\0-\x7F]/.test(code)) return code;
  return code.replaceAll(
    /[^\0-\x7F]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/**
 * What a module makes while it loads, and nearly no command needs: to make each takes 10 ms and more. The
 * program makes them when they are first used.
 */
const LATE: readonly (readonly [module: string, made: string, late: string])[] = [
  [
    'string-width/index.js',
    'const segmenter = new Intl.Segmenter();',
    'let made; const segmenter = { segment: (text) => (made ??= new Intl.Segmenter()).segment(text) };',
  ],
  [
    'string-width/index.js',
    String.raw`const rgiEmojiRegex = /^\p{RGI_Emoji}$/v;`,
    String.raw`let emoji; const rgiEmojiRegex = { test: (text) => (emoji ??= /^\p{RGI_Emoji}$/v).test(text) };`,
  ],
];

/** @throws Error where a module makes something else than the table says: a newer version needs a new look */
function later(code: string, id: string): string | undefined {
  const rows = LATE.filter(([module]) => id.endsWith(`/node_modules/${module}`));
  let text = code;
  for (const [module, made, late] of rows) {
    if (!text.includes(made)) throw new Error(`${module} does not make: ${made}`);
    text = text.replace(made, () => late);
  }
  return rows.length === 0 ? undefined : text;
}

/**
 * The library as a module, which is imported by names: its code is the program's, which is there anyway.
 */
function libraryModule(): Plugin {
  return {
    name: 'library-module',
    generateBundle(_, bundle) {
      const library = Object.values(bundle).find(({ name }) => name === 'library');
      if (library?.type !== 'chunk') throw new Error('nothing is built of the library');
      const source = `export { ${library.exports.join(', ')} } from './${library.fileName}';\n`;
      this.emitFile({ type: 'asset', fileName: 'index.js', source });
    },
  };
}

/** The program that the shell starts, and the library: CommonJS, whose compiled code can be kept. */
const program = defineConfig({
  ...shared,
  // `sim` looks for its server beside itself.
  input: { program: 'src/cli/main.ts', 'program-sim': 'sim/run.ts', library: 'src/index.ts' },
  plugins: [
    { name: 'late', transform: (code, id) => later(code, id) },
    nativePart(BUILT),
    licences(BUILT, ['program', 'program-sim', 'library']),
    libraryModule(),
    {
      name: 'ascii',
      generateBundle(_, bundle) {
        for (const chunk of Object.values(bundle)) {
          if (chunk.type === 'chunk') chunk.code = asciiOnly(chunk.code);
        }
      },
    },
  ],
  output: {
    dir: BUILT,
    format: 'cjs',
    // The texts of licences are in a file of their own.
    comments: false,
    entryFileNames: '[name].cjs',
    chunkFileNames: 'chunks/[name]-[hash].cjs',
  },
});

/** The page of the dashboard, for browsers: one script, one sheet of styles, and nothing from elsewhere. */
const page = defineConfig({
  input: { app: 'src/dashboard/page/main.tsx' },
  platform: 'browser',
  tsconfig: 'src/dashboard/page/tsconfig.json',
  plugins: [
    licences(BUILT, ['app']),
    {
      name: 'page-files',
      writeBundle() {
        for (const name of ['index.html', 'icon.svg']) {
          copyFileSync(`src/dashboard/page/${name}`, `${BUILT}/page/${name}`);
        }
        const styles = readFileSync('src/dashboard/page/app.css', 'utf8');
        writeFileSync(`${BUILT}/page/app.css`, styles.replaceAll(/\s*\n\s*/g, '\n'));
      },
    },
  ],
  output: { dir: `${BUILT}/page`, format: 'esm', entryFileNames: '[name].js', minify: true },
});

export default [modules, program, page];
