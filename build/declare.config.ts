/**
 * The types of the library in one file, without an import but of Node itself: what is declared with the types of
 * other packages takes those in, so that whoever uses the library needs none of them.
 */
import { defineConfig } from 'rolldown';
import { dts } from 'rolldown-plugin-dts';

/**
 * What zod annotates and tells the compiler not to check: the bundler loses that comment. Without the annotation the
 * compiler finds the variance by itself.
 */
const UNCHECKED = /\/\*\* @ts-[^*]*\*\/\s*out\s+/g;

export default defineConfig({
  input: { index: 'dist/types/index.d.ts' },
  plugins: [
    { name: 'variance', transform: (code) => code.replaceAll(UNCHECKED, '') },
    dts({ dtsInput: true, resolver: 'oxc', tsconfig: false }),
  ],
  external: /^node:/,
  output: { dir: 'dist', format: 'es' },
});
