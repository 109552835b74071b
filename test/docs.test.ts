/** The papers: nothing that they name is missing, and what they repeat is as the code has it. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../src/config/index.ts';
import { FLOORS } from './architecture/floors.ts';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...['docs', 'examples'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  ),
];
/** The folders of `examples/` that are a page to follow. */
const walks = pages.flatMap((page) => /^examples\/([^/]+)\/README\.md$/.exec(page)?.[1] ?? []);

/** Sections of the page about the wire that tell of names, versions and rules, and so have no bytes. */
const WITHOUT_BYTES = ['Names', 'What "compatible" means', 'One message, one meaning'];
/** Lines of a page that a person still calls one. */
const PAGE_LINES = 125;
/** Config files of nodes; data of an example's own program are none. */
const NODE_CONFIG = /^(?!jobs\.).*\.json$/;

/** The anchor of a heading, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsOf(path: string): readonly string[] {
  return [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

/** Files that a pattern like `test/audit/*` or `test/e2e/{a,b}` names, with or without an ending. */
function named(pattern: string): readonly string[] {
  const braces = /\{([^}]*)\}/.exec(pattern);
  const choices = braces?.[1]?.split(',') ?? [''];
  return choices.flatMap((choice) => {
    const one = braces === null ? pattern : pattern.replace(braces[0], choice);
    return [one, `${one}.test.ts`].some((path) => globFinds(path)) ? [] : [one];
  });
}

function globFinds(path: string): boolean {
  if (!path.includes('*')) return existsSync(join(ROOT, path));
  const folder = dirname(path);
  if (!existsSync(join(ROOT, folder))) return false;
  const form = new RegExp(
    `^${path
      .slice(folder.length + 1)
      .replaceAll('.', '\\.')
      .replaceAll('*', '.*')}`,
  );
  return readdirSync(join(ROOT, folder)).some((name) => form.test(name));
}

describe('the papers', () => {
  it('have a first page of at most 200 lines', () => {
    expect(read('README.md').split('\n').length).toBeLessThanOrEqual(200);
  });

  it.each(pages)('%s links to nothing that is not there', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    const broken = links
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchorsOf(target).includes(anchor);
      });
    expect(broken).toEqual([]);
  });

  it('name in the mission each row of it, and no test that is not there', () => {
    const text = read('docs/mission.md');
    const rows = { A: 14, B: 16, C: 14, D: 10, E: 4, F: 8, G: 5 };
    const missing = Object.entries(rows).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${index + 1}`).filter(
        (row) => !text.includes(`| ${row} |`),
      ),
    );
    expect(missing).toEqual([]);
    const tests = [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);
    expect(tests.length).toBeGreaterThan(50);
    expect(tests.flatMap((path) => named(path))).toEqual([]);
  });

  it('say in each row of the mission which test shows it, and what is to come', () => {
    const rows = [
      ...read('docs/mission.md').matchAll(/^\| ([A-G]\d+) \| .+? \| (.+?) \| (.+) \|$/gm),
    ];
    expect(rows).toHaveLength(71);
    const faults = rows.flatMap(([, row = '', state = '', where = '']) => {
      const isSaid = /^shown\b/.test(state) || where.includes('to come: ');
      const isNamed = /`test\/[^`]+`/.test(where) || where.includes('to come: ');
      // The name of an issue, alone, does not say what is to come.
      const isClear = !/(^|[\s,;:])_[a-z ]+_/.test(where);
      return isSaid && isNamed && isClear ? [] : [row];
    });
    expect(faults).toEqual([]);
  });

  it('name as proof of the security model no test that is not there', () => {
    const text = read('docs/security.md');
    const tests = [...text.matchAll(/`(test\/[^`]+)`/g)].map(([, path = '']) => path);
    expect(tests.length).toBeGreaterThan(20);
    expect(tests.flatMap((path) => named(path))).toEqual([]);
  });

  it('tell no figure of performance that the results do not have', () => {
    const results = read('sim/RESULTS.md').replaceAll(/\s+/g, ' ');
    const rows = [...read('docs/performance.md').matchAll(/^\| .+ \| ([\d,]+) \| [\d.]+ ms \|/gm)];
    expect(rows.length).toBe(9);
    const unknown = rows
      .map(([, rate = '']) => rate.replace(',', ''))
      .filter((rate) => !results.includes(` ${rate} `));
    expect(unknown).toEqual([]);
  });

  it('repeat the head of each file of wire bytes as it is', () => {
    const text = read('docs/protocols.md');
    const folder = 'test/fixtures/wire';
    const lacking = readdirSync(join(ROOT, folder)).filter((name) => {
      const lines = read(join(folder, name)).split('\n');
      const head = lines
        .slice(
          0,
          lines.findIndex((line) => !line.startsWith('#')),
        )
        .map((line) => line.replace(/^# ?/, ''))
        .join('\n')
        .trimEnd();
      return !text.includes(`\`\`\`text\n${head}\n\`\`\``);
    });
    expect(lacking).toEqual([]);
  });

  it('name the file of its bytes in each section about what goes over the wire', () => {
    const sections = read('docs/protocols.md').split(/^## /m).slice(1);
    const without = sections
      .filter(
        (section) => !/^Bytes: .*\]\(\.\.\/test\/fixtures\/wire\/[\w-]+\.hex\)/m.test(section),
      )
      .map((section) => section.split('\n')[0]);
    expect(without).toEqual(WITHOUT_BYTES);
  });

  it('name in the architecture every room, and no file or test that is not there', () => {
    const text = read('docs/architecture.md');
    const rooms = FLOORS.flat().filter((room) => !/^(index|testing)\.ts$/.test(room));
    expect(rooms.filter((room) => !text.includes(`\`${room}\``))).toEqual([]);
    const files = [...text.matchAll(/`((?:src|sim|test|docs)\/[^`\s]+)`/g)].map(
      ([, path = '']) => path,
    );
    expect(files.length).toBeGreaterThan(8);
    expect(files.flatMap((path) => named(path))).toEqual([]);
  });

  it('walk a call through at most 12 files a node, each once', () => {
    const text = read('docs/architecture.md');
    const walks = [
      ...text.matchAll(
        /^\*\*At the (?:entry|owning) node\*\*[^\n]*\n\n((?:\d+\. .*\n(?: {2,}.*\n)*)+)/gm,
      ),
    ];
    expect(walks).toHaveLength(2);
    for (const [, list = ''] of walks) {
      const files = [...list.matchAll(/^\d+\. `([^`]+)`/gm)].map(([, file = '']) => file);
      expect(files.length).toBeGreaterThan(5);
      expect(files.length).toBeLessThanOrEqual(12);
      expect(new Set(files).size).toBe(files.length);
      expect(files.filter((file) => !existsSync(join(ROOT, 'src', file)))).toEqual([]);
    }
  });
});

describe('the examples', () => {
  it('are all on the first page of examples, and each is walked by a test', () => {
    const index = read('examples/README.md');
    expect(walks.length).toBeGreaterThan(0);
    expect(walks.filter((name) => !index.includes(`(${name}/README.md)`))).toEqual([]);
    const walked = read('test/e2e/walks/walks.test.ts');
    expect(walks.filter((name) => !walked.includes(`'${name}': {`))).toEqual([]);
  });

  it.each(walks)('%s is one page, and says what each of its files is for', (name) => {
    const page = read(`examples/${name}/README.md`);
    expect(page.split('\n').length).toBeLessThanOrEqual(PAGE_LINES);
    const files = readdirSync(join(ROOT, 'examples', name), {
      recursive: true,
      encoding: 'utf8',
    }).filter((file) => /\.\w+$/.test(file) && file !== 'README.md');
    expect(files.filter((file) => !page.includes(`](${file})`))).toEqual([]);
  });

  it.each(walks)('%s has config files that can be used as they are', async (name) => {
    const folder = join(ROOT, 'examples', name);
    for (const file of readdirSync(folder).filter((one) => NODE_CONFIG.test(one))) {
      const config = await loadConfig({
        file: join(folder, file),
        env: { HOME: '/home/somebody' },
        flags: {},
      });
      const servers = Object.values(config.mcpServers);
      expect(servers.filter(({ type }) => type === 'unusable')).toEqual([]);
      const kinds = Object.values(config.agents.kinds);
      expect(kinds.flatMap(({ problems }) => problems)).toEqual([]);
    }
  });
});
