/** The files of the page as the build left them: read once, when somebody first asks, and sent compressed. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { StarlingError } from '../core/index.ts';

/** Where the page is, below the HTTP endpoint. */
export const PAGE_PATH = '/dashboard/';
/** How far up of the code the built page is looked for: `dist/chunks`, and `src/dashboard` of a checkout. */
const LEVELS_MAX = 3;
const FIRST_FILE = 'index.html';
/** Only the build makes it: the sources of the page have the first file, too. */
const BUILT_FILE = 'app.js';

/** The name below {@link PAGE_PATH}, the file, and its media type: a closed table, so that no path leads elsewhere. */
const FILES: ReadonlyMap<string, readonly [file: string, type: string]> = new Map([
  ['', [FIRST_FILE, 'text/html; charset=utf-8']],
  [BUILT_FILE, [BUILT_FILE, 'text/javascript; charset=utf-8']],
  ['app.css', ['app.css', 'text/css; charset=utf-8']],
  ['icon.svg', ['icon.svg', 'image/svg+xml']],
]);

/** What a browser is sent. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
}

/** Finds the files of the page. */
export interface PageFiles {
  /** True for the path of a file of the page. */
  has(path: string): boolean;
  /** @throws STARLING_STATE_UNUSABLE where the page was not built */
  read(path: string): Promise<PageFile>;
}

const compress = promisify(gzip);

/** Finds files beside the program; `folder` says where else. */
export function createPageFiles(folder: () => string | undefined = builtPage): PageFiles {
  const read = new Map<string, Promise<PageFile>>();
  return {
    has: (path) => path.startsWith(PAGE_PATH) && FILES.has(path.slice(PAGE_PATH.length)),
    read(path) {
      const known = read.get(path);
      if (known !== undefined) return known;
      const reading = readPageFile(folder(), path.slice(PAGE_PATH.length));
      read.set(path, reading);
      // What could not be read may be there the next time.
      reading.catch(() => read.delete(path));
      return reading;
    },
  };
}

async function readPageFile(folder: string | undefined, name: string): Promise<PageFile> {
  const [file, type] = FILES.get(name) ?? [FIRST_FILE, 'text/html; charset=utf-8'];
  if (folder === undefined) {
    throw new StarlingError('STARLING_STATE_UNUSABLE', 'the dashboard is not in this program', {
      hint: 'of a checkout, build it: npm run build',
    });
  }
  const bytes = await readFile(join(folder, file));
  return { type, bytes, gzipped: await compress(bytes) };
}

function builtPage(): string | undefined {
  let folder = import.meta.dirname;
  for (let level = 0; level < LEVELS_MAX; level += 1) {
    for (const candidate of [join(folder, 'page'), join(folder, 'dist/page')]) {
      if (existsSync(join(candidate, BUILT_FILE))) return candidate;
    }
    folder = dirname(folder);
  }
  return undefined;
}
