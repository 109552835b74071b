/** Builds the members of runs in which faults are planted: `sim/bench/board/runs/faults.ts`. */
import { basename } from 'node:path';
import { defineConfig } from 'rolldown';
import { plantedIn } from '../sim/bench/board/runs/faults.ts';
import { nativePart } from './native-part.ts';

const BUILT = 'dist/planted';
const STRONG_BOARDS = /[\\/]src[\\/]blackboard[\\/]quorum[\\/][^\\/]+\.ts$/;

export default defineConfig({
  platform: 'node',
  resolve: { alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' } },
  input: { member: 'sim/bench/board/runs/member.ts' },
  plugins: [
    {
      name: 'planted',
      transform: (code, id) => (STRONG_BOARDS.test(id) ? plantedIn(basename(id), code) : undefined),
    },
    nativePart(BUILT),
  ],
  output: {
    dir: BUILT,
    format: 'esm',
    cleanDir: true,
    entryFileNames: '[name].js',
    chunkFileNames: 'chunks/[name]-[hash].js',
  },
});
