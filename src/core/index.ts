/** The ground floor: the few words that every room uses. */
export { ensurePrivateFolder, syncFolder, writeFileAtomic } from './system/atomic-file.ts';
export { backoffMs } from './time/backoff.ts';
export type { BackoffInit } from './time/backoff.ts';
export { createBuckets, fullBucket, refilled, waitMsOf } from './bucket.ts';
export type { BucketLevel, BucketSize, Buckets } from './bucket.ts';
export { createChurnMap } from './churn-map.ts';
export type { ChurnMap } from './churn-map.ts';
export { clockText, isClockApart } from './words/clock-offset.ts';
export type { ClockOffset } from './words/clock-offset.ts';
export { systemClock } from './time/clock.ts';
export type { Clock, Random } from './time/clock.ts';
export { keepDebuggerShut } from './system/debugger.ts';
export { diskText, diskTroubleOf } from './system/disk-trouble.ts';
export type { DiskTrouble } from './system/disk-trouble.ts';
export { ERRORS, StarlingError, messageOf, toStarlingError } from './errors.ts';
export type { ErrorCode, ErrorRow, StarlingErrorOptions } from './errors.ts';
export { createHealth } from './health.ts';
export type { Health, Warning } from './health.ts';
export { BRIDGES, lanInterfaces } from './system/lan-interfaces.ts';
export { SECOND_NODE } from './words/system-words.ts';
export { BUILTIN_SERVER, idOf } from './ids.ts';
export type { Branded, Did, MeshId, PeerId } from './ids.ts';
export type { Json, JsonObject } from './json/json.ts';
export {
  JSON_BYTE,
  endOfJsonString,
  endOfJsonValue,
  jsonStringAt,
  skipJsonSpace,
} from './json/json-scanner.ts';
export { withNumbersWritten } from './json/json-numbers.ts';
export { createPartStack, createScope, stopAll, thenStop } from './lifecycle.ts';
export type { PartStack, Scope, Startable } from './lifecycle.ts';
export { createLineDecoder } from './lines.ts';
export type { LineDecoder, LineSink } from './lines.ts';
export { leftMs, restMs } from './time/time-left.ts';
export { localTime } from './time/local-time.ts';
export { createRecentLines } from './recent-lines.ts';
export type { RecentLine, RecentLines } from './recent-lines.ts';
export { lastWordsOf, withLastWords, withoutLastWords } from './words/last-words.ts';
export { createSecretRemover } from './words/without-secrets.ts';
export { createLogger, parseLogSpec, silentLogger } from './logger.ts';
export type { LogFields, LogLevel, Logger } from './logger.ts';
export { createExactNames, foldName } from './json/exact-names.ts';
export type { ExactNames } from './json/exact-names.ts';
export { Secret, missingSecret, secretsWithin } from './secret.ts';
export type { SecretLookup, SecretPiece } from './secret.ts';
export { AMOUNT_MAX, amountText, amountWord, readLimit } from './words/amount-text.ts';
export type { Amount, AmountLimit, CountedUnit } from './words/amount-text.ts';
export { AUDIT_KINDS, AUDIT_OUTCOMES, ENTRY_KINDS, ENTRY_OUTCOMES } from './words/audit-words.ts';
export { argumentWords } from './words/argument-words.ts';
export { ID_PART_WORDS, meantById, noSuchId } from './words/id-parts.ts';
export { searchWords, stemOf } from './words/search-words.ts';
export { shellWord } from './words/shell-word.ts';
export { givenText, limitName, limitText, limitsText } from './words/limit-words.ts';
export { plainResource, rightText } from './words/right-words.ts';
export { isVisible } from './visible-ascii.ts';
export { shownName } from './words/shown-name.ts';
export { misfitText, misfitWords } from './words/misfit-words.ts';
export { nearest, slipsOf } from './words/slips.ts';
export { createLoopTurns } from './time/loop-turns.ts';
export type { LoopTurns } from './time/loop-turns.ts';
export { createSemaphore } from './semaphore.ts';
export type { Semaphore } from './semaphore.ts';
export { DURATION, durationMs, durationText } from './time/duration.ts';
export { isCount, isNumber, isObject, isText } from './json/value-checks.ts';
export type { Fields } from './json/value-checks.ts';
export { checkStrictJson, parseStrictJson } from './json/strict-json.ts';
export { FORBIDDEN, printable } from './words/text.ts';
export { addressText, addressTexts, someOf } from './words/address-text.ts';
export { VERSION } from './version.ts';
export { unawaited } from './unawaited.ts';
export {
  deadline,
  joinSignals,
  pause,
  settledWithin,
  sleep,
  within,
  withDeadline,
} from './wait.ts';
export type { Deadline, JoinedSignal } from './wait.ts';
