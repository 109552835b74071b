import { describe, expect, it } from 'vitest';
import { ERRORS, StarlingError, messageOf, toStarlingError } from '../../src/core/index.ts';

describe('the table of error codes', () => {
  // A pin: scripts and clients match on these. A red line here is a question, never a typo to fix.
  it('says what each code means on every face', () => {
    const rows = Object.entries(ERRORS).map(
      ([code, row]) =>
        `${code} ${row.rpc} ${row.http} ${row.exit}${row.retryable ? ' retryable' : ''}`,
    );
    expect(rows).toEqual(PINNED);
  });
});

describe('a StarlingError', () => {
  it('carries code, hint, data and cause, and knows its row', () => {
    const cause = new Error('disk');
    const error = new StarlingError('STARLING_TIMEOUT', 'bob did not answer', {
      hint: 'starling peers',
      data: { peer: 'bob' },
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: 'StarlingError',
      code: 'STARLING_TIMEOUT',
      message: 'bob did not answer',
      hint: 'starling peers',
      data: { peer: 'bob' },
      cause,
    });
    expect(error.row).toEqual({ rpc: -32003, http: 504, exit: 1, retryable: true });
  });

  it('has no cause when none was given', () => {
    expect('cause' in new StarlingError('STARLING_USAGE', 'no')).toBe(false);
  });
});

describe('messageOf', () => {
  it('gives one line of anything thrown', () => {
    expect(messageOf(new Error('first\n  second\t third '))).toBe('first second third');
    expect(messageOf('plain')).toBe('plain');
    expect(messageOf(undefined)).toBe('undefined');
    expect(messageOf(Object.create(null))).toBe('[object Object]');
  });

  it('looks into errors that say nothing themselves', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED ::1:1'), {
      code: 'ECONNREFUSED',
    });
    const again = new Error('connect ECONNREFUSED 127.0.0.1:1');
    expect(messageOf(new AggregateError([refused, again, refused]))).toBe(
      'connect ECONNREFUSED ::1:1; connect ECONNREFUSED 127.0.0.1:1',
    );
    expect(messageOf(Object.assign(new Error(), { code: 'EPIPE' }))).toBe('EPIPE');
    expect(messageOf(new RangeError())).toBe('RangeError');
  });
});

describe('toStarlingError', () => {
  it('keeps an error of ours and wraps any other with its cause', () => {
    const ours = new StarlingError('STARLING_STOPPED', 'stopped');
    expect(toStarlingError(ours, 'STARLING_TIMEOUT', 'the call')).toBe(ours);
    const foreign = new Error('boom');
    const wrapped = toStarlingError(foreign, 'STARLING_TIMEOUT', 'the call');
    expect(wrapped).toMatchObject({
      code: 'STARLING_TIMEOUT',
      message: 'the call: boom',
      cause: foreign,
    });
  });
});

const PINNED = [
  'STARLING_USAGE -32602 400 2',
  'STARLING_SERVICE_UNAVAILABLE -32603 500 1',
  'STARLING_INTERRUPTED -32603 500 130',
  'STARLING_CONFIG_INVALID -32603 500 2',
  'STARLING_STATE_LOCKED -32603 500 1 retryable',
  'STARLING_STATE_UNUSABLE -32603 500 1',
  'STARLING_KEY_UNUSABLE -32603 500 1',
  'STARLING_PASSPHRASE_MISSING -32603 500 1',
  'STARLING_PASSPHRASE_WRONG -32603 500 1',
  'STARLING_PASSPHRASE_UNUSABLE -32602 400 2',
  'STARLING_SECRET_MISSING -32603 500 1',
  'STARLING_SECRET_INVALID -32602 400 2',
  'STARLING_KEY_RETIRED -32003 403 1',
  'STARLING_ID_MALFORMED -32602 400 2',
  'STARLING_LISTEN_FAILED -32603 500 1',
  'STARLING_NODE_UNREACHABLE -32003 503 1 retryable',
  'STARLING_TICKET_INVALID -32602 400 2',
  'STARLING_TICKET_EXPIRED -32602 400 1',
  'STARLING_TICKET_SPENT -32602 400 1',
  'STARLING_MESH_MISMATCH -32602 400 1',
  'STARLING_JOIN_REFUSED -32003 403 1',
  'STARLING_MEMBERSHIP_ENDED -32003 403 1',
  'STARLING_VERSION_UNSUPPORTED -32003 400 1',
  'STARLING_PEER_UNKNOWN -32602 404 1',
  'STARLING_PEER_AMBIGUOUS -32602 409 1',
  'STARLING_PEER_UNREACHABLE -32003 503 1 retryable',
  'STARLING_PROTOCOL_VIOLATION -32600 400 1',
  'STARLING_LIMIT_EXCEEDED -32003 413 1',
  'STARLING_RATE_LIMITED -32003 429 1 retryable',
  'STARLING_TIMEOUT -32003 504 1 retryable',
  'STARLING_GRANT_MALFORMED -32602 400 2',
  'STARLING_GRANT_INVALID -32602 403 1',
  'STARLING_GRANT_UNKNOWN -32602 404 1',
  'STARLING_CALL_REFUSED -32003 403 1',
  'STARLING_APPROVAL_UNKNOWN -32602 404 1',
  'STARLING_APPROVAL_CLOSED -32602 409 1',
  'STARLING_PROPOSAL_UNKNOWN -32602 404 1',
  'STARLING_PROPOSAL_REFUSED -32602 409 1',
  'STARLING_TOOL_UNKNOWN -32602 404 1',
  'STARLING_TOOL_QUARANTINED -32003 403 1',
  'STARLING_UPSTREAM_UNAVAILABLE -32003 503 1 retryable',
  'STARLING_UPSTREAM_INVALID -32003 502 1',
  'STARLING_AGENT_UNKNOWN -32001 404 1',
  'STARLING_AGENT_TAKEN -32001 409 1',
  'STARLING_AGENT_FAILED -32001 502 1',
  'STARLING_TASK_UNKNOWN -32602 404 1',
  'STARLING_TASK_ENDED -32602 409 1',
  'STARLING_CONTEXT_UNKNOWN -32602 404 1',
  'STARLING_BUDGET_UNKNOWN -32602 404 1',
  'STARLING_BUDGET_EXHAUSTED -32003 402 1',
  'STARLING_BUDGET_CLOSED -32602 409 1',
  'STARLING_SWARM_UNKNOWN -32002 404 1',
  'STARLING_SWARM_REFUSED -32002 409 1',
  'STARLING_SWARM_BUSY -32002 429 1 retryable',
  'STARLING_MODEL_UNKNOWN -32602 404 1',
  'STARLING_BATCH_UNKNOWN -32602 404 1',
  'STARLING_BATCH_REFUSED -32602 409 1',
  'STARLING_MODEL_UNSUPPORTED -32602 400 1',
  'STARLING_MODEL_REJECTED -32602 400 1',
  'STARLING_MODEL_CONTEXT -32602 400 1',
  'STARLING_MODEL_KEY_REFUSED -32003 502 1',
  'STARLING_MODEL_OVERLOADED -32003 503 1 retryable',
  'STARLING_MODEL_FAILED -32003 502 1 retryable',
  'STARLING_MODEL_CUT -32003 502 1 retryable',
  'STARLING_MODEL_INVALID -32003 502 1',
  'STARLING_BOARD_INVALID -32602 400 2',
  'STARLING_BOARD_UNKNOWN -32602 404 1',
  'STARLING_ENTRY_UNKNOWN -32602 404 1',
  'STARLING_BOARD_REFUSED -32003 403 1',
  'STARLING_BOARD_CONFLICT -32602 409 1',
  'STARLING_BOARD_BEHIND -32003 503 1 retryable',
  'STARLING_NO_QUORUM -32003 503 1 retryable',
  'STARLING_OUTCOME_UNKNOWN -32003 504 1',
  'STARLING_AUDIT_UNAVAILABLE -32003 503 1 retryable',
  'STARLING_UNAUTHORIZED -32003 401 1',
  'STARLING_STOPPED -32003 503 1 retryable',
];
