/** `docs/reference/errors.md`: every error code, on each face of Starling. */
import { ERRORS } from '../../core/errors.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { ADVICE } from './error-advice.ts';
import { code, page, table } from './markdown.ts';

/** `docs/reference/errors.md`, from the table of codes and the advice to each. */
export function errorsPage(): string {
  const codes = Object.keys(ERRORS) as ErrorCode[];
  return page(
    'Errors',
    [
      'Every error has a code that stays as it is. JSON-RPC errors carry it as `error.data.code`, beside',
      '`reason` (what happened), `retryable` and, where there is one, `hint` (what to do next); HTTP says it in',
      'the body, and the commands print it behind the message, or as `error.code` with `--json`.',
      '_Again_ says whether the same request may succeed later.',
    ].join('\n'),
    [
      table(
        ['code', 'what it means', 'what to do'],
        codes.map((name) => [code(name), ADVICE[name].meaning, ADVICE[name].next]),
      ),
      '## On the wire',
      table(
        ['code', 'JSON-RPC', 'HTTP', 'exit code', 'again'],
        codes.map((name) => {
          const { rpc, http, exit, retryable } = ERRORS[name];
          return [code(name), String(rpc), String(http), String(exit), retryable ? 'yes' : 'no'];
        }),
      ),
    ],
  );
}
