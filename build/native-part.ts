/**
 * The database's native part: `classic-level` looks for its binaries beside its own files, of which the bundle
 * leaves nothing. They go into a folder of what is built, and each bundle looks for them there: to look for the
 * package's files and compile them took 15 ms of each start, and a package that is bundled whole needs no other.
 */
import { cpSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plugin } from 'rolldown';

const BINDING = /[\\/]node_modules[\\/]classic-level[\\/]binding\.js$/;
/** What that file is: where it says something else, a newer version needs a new look. */
const LOADS = "module.exports = require('node-gyp-build')(__dirname)";
/** Stands for the folder, whose path differs with the chunk that asks. */
const PLACE = 'STARLING_NATIVE_FOLDER';
const FOLDER = 'native';

/** Puts the binaries into `built`, and has the bundle load them from there. */
export function nativePart(built: string): Plugin {
  let home: string | undefined;
  return {
    name: 'native-part',
    transform(code, id) {
      if (!BINDING.test(id)) return undefined;
      if (!code.includes(LOADS)) throw new Error(`classic-level/binding.js does not say: ${LOADS}`);
      home = dirname(id);
      return code.replace('__dirname', PLACE);
    },
    renderChunk(code, chunk, { format }) {
      if (!code.includes(PLACE)) return undefined;
      const here = format === 'cjs' ? '__dirname' : 'import.meta.dirname';
      const up = chunk.fileName.includes('/') ? '/..' : '';
      return code.replaceAll(PLACE, `(${here} + ${JSON.stringify(`${up}/${FOLDER}`)})`);
    },
    writeBundle() {
      if (home === undefined) throw new Error('no module of the bundle loads classic-level');
      // `build` is there where no binary was made for this platform, and npm compiled one.
      for (const part of ['prebuilds', 'build/Release']) {
        const from = join(home, part);
        if (existsSync(from)) cpSync(from, join(built, FOLDER, part), { recursive: true });
      }
    },
  };
}
