/**
 * Each button of the page stands beside a command that does the same, and what changes something is pressed and typed by
 * `test/e2e/browser/buttons.ts`. A button that comes new is none of these, and fails here until it has both.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const PAGE = join(ROOT, 'src/dashboard/page');
const WALKS = readFileSync(join(ROOT, 'test/e2e/browser/buttons.ts'), 'utf8');

/** Buttons of each file, by how many there are, and the commands beside them. */
const BUTTONS: Readonly<Record<string, readonly [count: number, ...commands: string[]]>> = {
  // The button of all that changes something: see below.
  'action.tsx': [1],
  // Copying, and closing what is beside a page, asks nothing of the node.
  'parts.tsx': [2],
  'app.tsx': [1, 'starling dashboard'],
  'entries.tsx': [1, 'starling call'],
  'record.tsx': [1, 'starling audit query'],
  'try-tool.tsx': [1, 'starling call', 'starling tools show'],
  'pages/agents.tsx': [1, 'starling agent info'],
  'pages/audit.tsx': [1, 'starling audit verify'],
  'pages/grants.tsx': [1, 'starling grant show'],
  'pages/mesh.tsx': [1, 'starling peers show'],
  'pages/policy.tsx': [1, 'starling policy explain'],
  'pages/swarms.tsx': [1, 'starling swarm status'],
  'pages/tasks.tsx': [1, 'starling task info'],
  'pages/tools.tsx': [1, 'starling connect'],
};

/** What changes something at the node, by its tool, and the command that does so. */
const CHANGES: Readonly<Record<string, string>> = {
  agent_stop: 'starling agent stop',
  approval_answer: 'starling approvals',
  board_undo: 'starling board undo',
  task_cancel: 'starling task cancel',
  task_retry: 'starling task retry',
};

const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.tsx'),
);
const texts = new Map(files.map((file) => [file, readFileSync(join(PAGE, file), 'utf8')]));
/** Where words like `'starling call'` come from, for a file that has them of another. */
const all = [...texts.values(), readFileSync(join(PAGE, 'words.ts'), 'utf8')].join('\n');

it('all files with a button are in the table, with as many as they have', () => {
  const found = [...texts].flatMap(([file, text]) => {
    const count = [...text.matchAll(/<button\b/g)].length;
    return count === 0 ? [] : [[file, count] as const];
  });
  const known = Object.entries(BUTTONS).map(([file, [count]]) => [file, count]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(known));
});

it.each(Object.entries(BUTTONS))(
  '%s shows the commands of its buttons',
  (file, [, ...commands]) => {
    const own = texts.get(file) ?? '';
    // Two files have their commands made by others: of the tool that is tried, and of the call that is made again.
    const text = /Replay|replayOf|commandOf/.test(own) ? all : own;
    for (const command of commands) expect(text).toContain(command);
  },
);

it('whatever changes something is in the table, beside its command, and walked', () => {
  const tools = [...texts].flatMap(([file, text]) =>
    [...text.matchAll(/<Action\b[^>]*?\btool="(\w+)"/g)].map(
      ([, tool = '']) => [tool, file] as const,
    ),
  );
  expect([...new Set(tools.map(([tool]) => tool))].toSorted()).toEqual(Object.keys(CHANGES));
  for (const [tool, file] of tools) {
    const command = CHANGES[tool] ?? '';
    expect(texts.get(file), tool).toContain(`line={\`${command}`);
    expect(WALKS, tool).toContain(command);
  }
});

it('nothing else is asked of the node than by these buttons, by what is looked at, and by trying a tool', () => {
  const asked = [...texts].flatMap(([file, text]) =>
    [...text.matchAll(/\bask(?:<[^(]*>)?\('(\w+)'/g)].map(([, tool = '']) => `${file} ${tool}`),
  );
  expect(asked.toSorted()).toEqual([
    'pages/audit.tsx audit_verify',
    'pages/policy.tsx policy_explain',
    'record.tsx audit_query',
  ]);
});
