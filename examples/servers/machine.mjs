// How this machine does: node machine.mjs
import { statfs } from 'node:fs/promises';
import { freemem, hostname, loadavg, totalmem, uptime } from 'node:os';
import { serve } from './serve.mjs';

const GIB = 2 ** 30;

await serve('machine', {
  health: {
    description: 'Says how long the machine has been up, and what it has free.',
    annotations: { readOnlyHint: true },
    async run() {
      const disk = await statfs('/');
      return [
        `${hostname()} is up for ${(uptime() / 3600).toFixed(1)} hours, load ${loadavg()[0].toFixed(2)}`,
        `memory: ${(freemem() / GIB).toFixed(1)} of ${(totalmem() / GIB).toFixed(1)} GiB free`,
        `disk: ${((disk.bavail * disk.bsize) / GIB).toFixed(1)} GiB free`,
      ].join('\n');
    },
  },
});
