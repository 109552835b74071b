/** Prints fixtures as today's code writes them: `npx tsx test/wire/print.ts [file]`, to be read and then pasted. */
import { CASES, ONCE } from './cases.ts';
import { formatMessage } from './fixture.ts';

const [, , only] = process.argv;
for (const each of CASES.filter(({ file }) => only === undefined || file === only)) {
  const write = each.write ?? ONCE.get(`${each.file}: ${each.title}`);
  if (write === undefined) throw new Error(`nobody writes ${each.title}`);
  const body = formatMessage(await write(), each.kind, each.notes);
  process.stdout.write(`== ${each.title}\n${body}\n\n`);
}
