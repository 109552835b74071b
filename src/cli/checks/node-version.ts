/** Whether Starling runs on this version of Node.js. */
import { finding } from './check.ts';
import type { Check } from './check.ts';

const MIN = [20, 19] as const;

/** Compares the version with the oldest one that `package.json` allows. */
export const nodeVersion: Check = {
  name: 'node',
  run: async () => {
    const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
    const fits = major > MIN[0] || (major === MIN[0] && minor >= MIN[1]);
    return [
      fits
        ? finding('node', 'ok', `Node ${process.version}`)
        : finding(
            'node',
            'fail',
            `Node ${process.version} is too old`,
            `install Node ${MIN.join('.')} or newer`,
          ),
    ];
  },
};
