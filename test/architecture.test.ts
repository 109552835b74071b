/**
 * The floors of the house (`architecture/floors.ts`): a room imports only from rooms below it, by
 * their doors, and each outside library lives where the table says. The second half plants each kind
 * of violation into a small house and sees it caught, so that the first half cannot pass by blindness.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findUnused, findViolations } from './architecture/house.ts';
import type { Rule } from './architecture/house.ts';

const ROOT = resolve(import.meta.dirname, '..');

function readTexts(folder: string): [string, string][] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => [relative(ROOT, path), readFileSync(path, 'utf8')]);
}

const files = new Map([...readTexts('src'), ...readTexts('sim')]);
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>;
};
/** What the program is bundled with: the package itself depends on nothing. */
const imported = Object.keys(manifest.devDependencies).filter((name) =>
  [...files].some(([path, text]) => path.startsWith('src/') && text.includes(`from '${name}`)),
);

describe('the house', () => {
  const found = findViolations(files).map(({ rule, text }) => `${rule}: ${text}`);

  it('keeps to its floors, doors, homes and paths', () => {
    expect(files.size).toBeGreaterThan(100);
    expect(found).toEqual([]);
  });

  it('has a table in which nothing is missing and nothing is left over', () => {
    expect(findUnused(files, imported)).toEqual([]);
  });
});

/** A small house without a violation, in which one file is then added or replaced. */
const SOUND: readonly (readonly [string, string])[] = [
  ['src/core/index.ts', "export { now } from './clock.ts';"],
  ['src/core/wait.ts', "import { hrtime } from 'node:process';\nexport const now = hrtime;"],
  ['src/store/index.ts', "export { open } from './database.ts';"],
  ['src/store/database.ts', "import { now } from '../core/index.ts';\nexport const open = now;"],
  ['src/grants/index.ts', "export { verify } from './chain/verify.ts';"],
  ['src/grants/format/claims.ts', 'export const CLAIMS = 1;'],
  [
    'src/grants/chain/verify.ts',
    "import { CLAIMS } from '../format/claims.ts';\nexport const verify = CLAIMS;",
  ],
  ['src/gateway/index.ts', "export * from './gateway.ts';"],
  [
    'src/gateway/gateway.ts',
    "import { verify } from '../grants/index.ts';\nexport const gateway = verify;",
  ],
  [
    'src/cli/main.ts',
    "import { Command } from 'commander';\nawait import('./commands/up.ts');\nnew Command();",
  ],
  ['src/cli/commands/up.ts', "import { node } from '../../node.ts';\nnode();"],
  ['src/node.ts', "import { gateway } from './gateway/index.ts';\nexport const node = gateway;"],
  ['src/index.ts', "export { node } from './node.ts';"],
  ['sim/run.ts', "import { node } from '../src/index.ts';\nnode();"],
];

interface Planted {
  readonly what: string;
  readonly rule: Rule;
  /** Text that the violation has to name. */
  readonly names: string;
  readonly add: readonly (readonly [string, string])[];
}

const PLANTED: readonly Planted[] = [
  {
    what: 'an import from a room above, by value',
    rule: 'floor',
    names: 'src/store/rows.ts → src/gateway/index.ts',
    add: [['src/store/rows.ts', "import { gateway } from '../gateway/index.ts';\ngateway();"]],
  },
  {
    what: 'an import from a room above, by type',
    rule: 'floor',
    names: 'src/store/rows.ts → src/gateway/index.ts (type)',
    add: [
      ['src/store/rows.ts', "import type { G } from '../gateway/index.ts';\nexport type R = G;"],
    ],
  },
  {
    what: 'an import from a room above, by a type in place',
    rule: 'floor',
    names: 'src/store/rows.ts → src/gateway/index.ts (type)',
    add: [['src/store/rows.ts', "export type R = import('../gateway/index.ts').G;"]],
  },
  {
    what: 'an import from a room of the same floor',
    rule: 'floor',
    names: 'src/config/load.ts → src/store/index.ts',
    add: [['src/config/load.ts', "import { open } from '../store/index.ts';\nopen();"]],
  },
  {
    what: 'the back door of a room',
    rule: 'door',
    names: 'src/gateway/gateway.ts → src/grants/chain/verify.ts',
    add: [
      ['src/gateway/gateway.ts', "import { verify } from '../grants/chain/verify.ts';\nverify();"],
    ],
  },
  {
    what: "a value taken from another room's types",
    rule: 'door',
    names: 'src/gateway/gateway.ts → src/grants/types.ts',
    add: [
      ['src/grants/types.ts', 'export const N = 1;'],
      [
        'src/gateway/gateway.ts',
        "import { N } from '../grants/types.ts';\nexport const gateway = N;",
      ],
    ],
  },
  {
    what: 'a library outside of its home',
    rule: 'library',
    names: 'src/gateway/gateway.ts: yjs',
    add: [['src/gateway/gateway.ts', "import { Doc } from 'yjs';\nexport const gateway = Doc;"]],
  },
  {
    what: 'the command line inside another room',
    rule: 'door',
    names: 'src/cli/commands/up.ts → src/gateway/gateway.ts',
    add: [
      ['src/cli/commands/up.ts', "import { gateway } from '../../gateway/gateway.ts';\ngateway();"],
    ],
  },
  {
    what: 'the simulator inside the product',
    rule: 'sim',
    names: 'sim/run.ts → src/gateway/index.ts',
    add: [['sim/run.ts', "import { gateway } from '../src/gateway/index.ts';\ngateway();"]],
  },
  {
    what: 'commander below the command line',
    rule: 'library',
    names: 'src/node.ts: commander',
    add: [['src/node.ts', "import { Command } from 'commander';\nexport const node = Command;"]],
  },
  {
    what: 'files that import each other, by value',
    rule: 'cycle',
    names: 'src/store/a.ts → src/store/b.ts → src/store/a.ts',
    add: [
      ['src/store/a.ts', "import { b } from './b.ts';\nexport const a = () => b;"],
      ['src/store/b.ts', "import { a } from './a.ts';\nexport const b = () => a;"],
    ],
  },
  {
    what: 'the ground that starts processes by a room above',
    rule: 'floor',
    names: 'src/core/wait.ts → src/gateway/upstreams/process/stdio.ts',
    add: [
      [
        'src/core/wait.ts',
        "import { run } from '../gateway/upstreams/process/stdio.ts';\nexport const now = run;",
      ],
      [
        'src/gateway/upstreams/process/stdio.ts',
        "import { spawn } from 'node:child_process';\nexport const run = spawn;",
      ],
    ],
  },
  {
    what: 'a specifier in double quotes',
    rule: 'floor',
    names: 'src/store/rows.ts → src/gateway/index.ts',
    add: [['src/store/rows.ts', 'import { gateway } from "../gateway/index.ts";\ngateway();']],
  },
  {
    what: 'a module of Node without its prefix',
    rule: 'library',
    names: 'src/gateway/gateway.ts: node:child_process',
    add: [
      [
        'src/gateway/gateway.ts',
        "import { spawn } from 'child_process';\nexport const gateway = spawn;",
      ],
    ],
  },
  {
    what: 'a dynamic import by a template',
    rule: 'floor',
    names: 'src/store/rows.ts → src/gateway/index.ts',
    add: [['src/store/rows.ts', 'export const load = () => import(`../gateway/index.ts`);']],
  },
  {
    what: 'a dynamic import of a computed name',
    rule: 'loader',
    names: 'src/store/rows.ts: import() of a computed name',
    add: [['src/store/rows.ts', 'export const load = (n: string) => import(`../${n}/index.ts`);']],
  },
  {
    what: 'createRequire',
    rule: 'loader',
    names: 'src/store/rows.ts: createRequire',
    add: [
      [
        'src/store/rows.ts',
        "import { createRequire as make } from 'node:module';\nmake(import.meta.url)('ws');",
      ],
    ],
  },
  {
    what: 'the module that holds createRequire, by any name',
    rule: 'library',
    names: 'src/store/rows.ts: node:module',
    add: [['src/store/rows.ts', "import * as m from 'module';\nm.register('x');"]],
  },
  {
    what: 'a module fetched from the process',
    rule: 'loader',
    names: 'src/store/rows.ts: getBuiltinModule',
    add: [['src/store/rows.ts', "process.getBuiltinModule('child_process');"]],
  },
  {
    what: 'text that is run as code',
    rule: 'loader',
    names: 'src/store/rows.ts: Function',
    add: [['src/store/rows.ts', "new Function('return 1')();"]],
  },
  {
    what: 'files that import each other, by types',
    rule: 'cycle',
    names: 'src/store/a.ts → src/store/b.ts → src/store/c.ts → src/store/a.ts',
    add: [
      ['src/store/a.ts', "import type { B } from './b.ts';\nexport type A = B;"],
      ['src/store/b.ts', "import { type C } from './c.ts';\nexport type B = C;"],
      ['src/store/c.ts', "export type { A as C } from './a.ts';"],
    ],
  },
  ...(
    [
      ['ws', 'src/store/rows.ts'],
      ['jose', 'src/gateway/session/session.ts'],
      ['pino', 'src/core/wait.ts'],
      ['zod', 'src/network/hello.ts'],
    ] as const
  ).map(([library, file]): Planted => ({
    what: `${library} away from home`,
    rule: 'library',
    names: `${file}: ${library}`,
    add: [[file, `import * as it from '${library}';\nexport const now = it, open = it;`]],
  })),
  {
    what: 'a library that the table does not know',
    rule: 'library',
    names: 'src/store/rows.ts: left-pad (no home)',
    add: [['src/store/rows.ts', "import pad from 'left-pad';\npad();"]],
  },
  {
    what: 'zod on the path of a call, behind another file',
    rule: 'call path',
    names: 'src/gateway/session/session.ts → src/gateway/catalog/tool.ts → zod',
    add: [
      ['src/gateway/session/session.ts', "import { tool } from '../catalog/tool.ts';\ntool();"],
      ['src/gateway/catalog/tool.ts', "import { z } from 'zod';\nexport const tool = z;"],
    ],
  },
  {
    what: 'a folder that imports from a folder above it',
    rule: 'folder',
    names: 'src/grants/format/claims.ts → src/grants/chain/verify.ts (type)',
    add: [
      [
        'src/grants/format/claims.ts',
        "import type { V } from '../chain/verify.ts';\nexport const CLAIMS = {} as V;",
      ],
    ],
  },
  {
    what: 'a file that imports the door of its own room',
    rule: 'folder',
    names: 'src/grants/chain/verify.ts → src/grants/index.ts (type)',
    add: [
      [
        'src/grants/chain/verify.ts',
        "import type { V } from '../index.ts';\nexport const verify = {} as V;",
      ],
    ],
  },
  {
    what: 'a folder without a floor in its room',
    rule: 'room',
    names: 'src/grants/helpers/text.ts',
    add: [['src/grants/helpers/text.ts', 'export const text = 1;']],
  },
  {
    what: 'a file without a room',
    rule: 'room',
    names: 'src/helpers/text.ts',
    add: [['src/helpers/text.ts', 'export const text = 1;']],
  },
  {
    what: 'a command line that loads the node to print its help',
    rule: 'loaded',
    names: 'src/cli/main.ts → src/node.ts',
    add: [['src/cli/main.ts', "import { node } from '../node.ts';\nnode();"]],
  },
];

const PAGE = 'src/dashboard/page/main.tsx';
/** The page of the operator, with an element in it: only `.tsx` has them, and a page alone. */
const page = (head: string): Planted['add'] => [
  [PAGE, `${head}\nimport { render } from 'preact';\nrender(<Page at={it} />, document.body);`],
];

/** Each kind of violation again where elements are written. */
const PLANTED_IN_PAGE: readonly Planted[] = [
  {
    what: 'the back door of a room',
    rule: 'door',
    names: `${PAGE} → src/gateway/gateway.ts`,
    add: page("import { gateway as it } from '../../gateway/gateway.ts';"),
  },
  {
    what: 'a room above',
    rule: 'floor',
    names: `${PAGE} → src/cli/commands/up.ts (type)`,
    add: page("import type { Up } from '../../cli/commands/up.ts';\nconst it = {} as Up;"),
  },
  {
    what: 'a folder above its own',
    rule: 'folder',
    names: 'src/grants/format/claims.tsx → src/grants/chain/verify.ts (type)',
    add: [
      [
        'src/grants/format/claims.tsx',
        "import type { V } from '../chain/verify.ts';\nexport const it = <p>{{} as V}</p>;",
      ],
    ],
  },
  ...['zod', 'child_process', 'left-pad'].map((name): Planted => ({
    what: `${name} away from home`,
    rule: 'library',
    names: `${PAGE}: ${{ child_process: 'node:child_process', 'left-pad': 'left-pad (no home)' }[name] ?? name}`,
    add: page(`import * as it from '${name}';`),
  })),
  {
    what: 'files that import each other',
    rule: 'cycle',
    names: `${PAGE} → src/dashboard/page/parts.tsx → ${PAGE}`,
    add: [
      ...page("import { it } from './parts.tsx';"),
      [
        'src/dashboard/page/parts.tsx',
        "import type { P } from './main.tsx';\nexport const it = <P />;",
      ],
    ],
  },
  {
    what: 'code that is loaded by a computed name',
    rule: 'loader',
    names: `${PAGE}: import() of a computed name`,
    add: page('const it = await import(`./${location.hash}`);'),
  },
  {
    what: 'the node itself, by its door',
    rule: 'loaded',
    names: `${PAGE} → src/gateway/index.ts`,
    add: page("import { gateway as it } from '../../gateway/index.ts';"),
  },
  {
    what: 'a file without a room',
    rule: 'room',
    names: 'src/helpers/text.tsx',
    add: [['src/helpers/text.tsx', 'export const text = <p>1</p>;']],
  },
];

describe('a house with one planted violation', () => {
  it('is sound before', () => {
    expect(findViolations(new Map(SOUND))).toEqual([]);
  });

  it.each(PLANTED)('is caught with $what', ({ rule, names, add }) => {
    expect(findViolations(new Map([...SOUND, ...add]))).toContainEqual({ rule, text: names });
  });

  it.each(PLANTED_IN_PAGE)('is caught with $what in a page', ({ rule, names, add }) => {
    expect(findViolations(new Map([...SOUND, ...add]))).toContainEqual({ rule, text: names });
  });

  it('reads of the real house each file that has elements', () => {
    const pages = [...files.keys()].filter((path) => path.endsWith('.tsx'));
    expect(pages).toContain('src/dashboard/page/main.tsx');
    expect(pages).toContain('src/dashboard/page/pages/calls.tsx');
  });

  it('is caught when a dependency has no home', () => {
    expect(findUnused(files, ['left-pad'])).toContain('no home for the dependency left-pad');
  });
});
