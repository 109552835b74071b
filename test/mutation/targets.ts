/** Which files are mutated, and the tests that belong to each. Files with state, disk or network are not here. */

/** A file and its tests, as paths below the root. */
export interface Target {
  readonly file: string;
  readonly tests: readonly string[];
}

const of = (tests: readonly string[], ...files: readonly string[]): readonly Target[] =>
  files.map((file) => ({ file, tests }));

/** All of them. */
export const TARGETS: readonly Target[] = [
  ...of(
    ['test/grants/format/format.test.ts', 'test/grants/attacks.test.ts'],
    'src/grants/format/claims.ts',
    'src/grants/format/grant.ts',
    'src/grants/format/issue.ts',
  ),
  ...of(
    [
      'test/grants/chain/argument-caveat.test.ts',
      'test/grants/chain/hours-caveat.test.ts',
      'test/grants/chain/caveats.test.ts',
    ],
    'src/grants/chain/argument-caveat.ts',
    'src/grants/chain/caveats.ts',
    'src/grants/chain/hours-caveat.ts',
  ),
  ...of(
    [
      'test/grants/format/resource.test.ts',
      'test/grants/chain/path-match.test.ts',
      'test/grants/chain/resource-match.test.ts',
      'test/grants/chain/caveats.test.ts',
    ],
    'src/grants/format/resource.ts',
    'src/grants/chain/path-match.ts',
    'src/grants/chain/resource-match.ts',
  ),
  ...of(
    ['test/grants/chain/verify.test.ts', 'test/grants/attacks.test.ts'],
    'src/grants/chain/verify.ts',
  ),
  ...of(
    [
      'test/grants/chain/verify.test.ts',
      'test/grants/chain/resource-match.test.ts',
      'test/grants/chain/caveats.test.ts',
      'test/grants/attacks.test.ts',
      'test/grants/attacks-on-calls.test.ts',
      'test/grants/chain/capability.test.ts',
    ],
    'src/grants/chain/capability.ts',
  ),
  ...of(
    ['test/grants/use/counters.test.ts', 'test/grants/attacks-on-calls.test.ts'],
    'src/grants/use/counters.ts',
  ),
  ...of(
    ['test/grants/use/charge-plan.test.ts', 'test/grants/attacks-on-calls.test.ts'],
    'src/grants/use/charge-plan.ts',
  ),
  ...of(
    ['test/grants/use/evaluate-call.test.ts', 'test/grants/attacks-on-calls.test.ts'],
    'src/grants/use/evaluate-call.ts',
  ),
  ...of(['test/grants/book/succession.test.ts'], 'src/grants/format/succession.ts'),
  ...of(
    [
      'test/guard/decision/decide.test.ts',
      'test/guard/decision/guard.test.ts',
      'test/guard/decision/clients.test.ts',
      'test/guard/decision/client-scopes.test.ts',
      'test/guard/decision/agents.test.ts',
    ],
    'src/guard/decision/guard.ts',
    'src/guard/decision/client-scopes.ts',
  ),
  ...of(
    [
      'test/guard/policy/policy.test.ts',
      'test/guard/policy/current-policy.test.ts',
      'test/guard/decision/decide.test.ts',
      'test/guard/policy/caller-rules.test.ts',
    ],
    'src/guard/policy/policy.ts',
    'src/guard/policy/caller-rules.ts',
  ),
  ...of(['test/guard/approvals/entries.test.ts'], 'src/guard/approvals/entries.ts'),
  ...of(['test/core/time/duration.test.ts'], 'src/core/time/duration.ts'),
  ...of(
    ['test/guard/guardian/guardian.test.ts', 'test/guard/guardian/permission-scope.test.ts'],
    'src/guard/guardian/score.ts',
    'src/guard/guardian/permission-scope.ts',
    'src/guard/guardian/permission-plan.ts',
  ),
  ...of(
    [
      'test/gateway/wire/frame.test.ts',
      'test/gateway/wire/frame-id.test.ts',
      'test/gateway/wire/envelope.test.ts',
      'test/gateway/wire/batch.test.ts',
      'test/gateway/wire/channel.test.ts',
    ],
    'src/gateway/wire/frame.ts',
  ),
  ...of(
    ['test/gateway/wire/json-scan.test.ts', 'test/gateway/wire/frame.test.ts'],
    'src/gateway/wire/json-scan.ts',
  ),
  ...of(['test/gateway/wire/batch.test.ts'], 'src/gateway/wire/batch.ts'),
  ...of(
    ['test/gateway/wire/era.test.ts', 'test/gateway/wire/modern-headers.test.ts'],
    'src/gateway/wire/era.ts',
  ),
  ...of(['test/gateway/wire/modern-headers.test.ts'], 'src/gateway/wire/modern-headers.ts'),
  ...of(['test/gateway/catalog/tool-names.test.ts'], 'src/gateway/catalog/tool-names.ts'),
  ...of(['test/gateway/catalog/tool-merge.test.ts'], 'src/gateway/catalog/tool-merge.ts'),
  ...of(['test/gateway/catalog/tool-selection.test.ts'], 'src/gateway/catalog/tool-selection.ts'),
  ...of(['test/gateway/catalog/resource-uris.test.ts'], 'src/gateway/catalog/resource-uris.ts'),
  ...of(['test/network/streams/framing.test.ts'], 'src/network/streams/framing.ts'),
  ...of(['test/network/admission/hello-codec.test.ts'], 'src/network/admission/hello-codec.ts'),
  ...of(
    [
      'test/membership/detector-and-formats.test.ts',
      'test/membership/heartbeats/heartbeat-format.test.ts',
      'test/membership/detection/phi-accrual.test.ts',
    ],
    'src/membership/heartbeats/heartbeat-format.ts',
    'src/membership/detection/phi-accrual.ts',
  ),
  ...of(['test/membership/detection/suspicion.test.ts'], 'src/membership/detection/suspicion.ts'),
];
