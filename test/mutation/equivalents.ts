/** Mutants that no test can kill, because the changed code does the same; each with its reason. */

/** One mutant, by place and change. */
export interface Equivalent {
  readonly file: string;
  /** The whole line, trimmed, where the change begins. */
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
}

/** All of them. An entry that fits no mutant, or one that a test kills, fails the run. */
export const EQUIVALENTS: readonly Equivalent[] = [
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'if (edits.params !== undefined) splices.push(insertParams(frame.bytes, spans, edits.params));',
    from: 'splices.push(insertParams(frame.bytes, spans, edits.params))',
    to: 'splices.unshift(insertParams(frame.bytes, spans, edits.params))',
    why: 'the splices are sorted by place before they are used',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'if (meta !== undefined) splices.push(insertMeta(frame.bytes, spans, meta));',
    from: 'splices.push(insertMeta(frame.bytes, spans, meta))',
    to: 'splices.unshift(insertMeta(frame.bytes, spans, meta))',
    why: 'the splices are sorted by place before they are used',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'splices.push(insertInto(frame.bytes, spans.result, edits.result));',
    from: 'splices.push(insertInto(frame.bytes, spans.result, edits.result))',
    to: 'splices.unshift(insertInto(frame.bytes, spans.result, edits.result))',
    why: 'the splices are sorted by place before they are used',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'splices.push({ start: span.start, end: span.end, text });',
    from: 'splices.push({ start: span.start, end: span.end, text })',
    to: 'splices.unshift({ start: span.start, end: span.end, text })',
    why: 'the splices are sorted by place before they are used',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'if (splices.length > 1) splices.sort((one, other) => one.start - other.start);',
    from: 'splices.length > 1',
    to: 'true',
    why: 'sorting none or one changes nothing: the test is for speed',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'if (splices.length > 1) splices.sort((one, other) => one.start - other.start);',
    from: 'splices.length > 1',
    to: 'splices.length >= 1',
    why: 'sorting one changes nothing: the test is for speed',
  },
  {
    file: 'src/gateway/wire/frame.ts',
    line: 'for (let at = 0; at < line.length; at += 1) {',
    from: 'at < line.length',
    to: 'at <= line.length',
    why: 'writing past the end of a Buffer does nothing, and there is no line end',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'while (at < bytes.length && bytes[at] !== CLOSE_BRACE) {',
    from: 'at < bytes.length',
    to: 'at <= bytes.length',
    why: 'what JSON.parse takes has the closing brace before its end',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'if (bytes[at] === COLON) at = skipJsonSpace(bytes, at + 1);',
    from: 'bytes[at] === COLON',
    to: 'true',
    why: 'what JSON.parse takes has a colon behind each key',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'for (let at = start + 1; at < end - 1; at += 1) {',
    from: 'start + 1',
    to: 'start - 1',
    why: 'the bytes before are a quote and what stands before it, which is no backslash',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'for (let at = start + 1; at < end - 1; at += 1) {',
    from: 'at < end - 1',
    to: 'at <= end - 1',
    why: 'the last byte is the quote',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'for (let at = start + 1; at < end - 1; at += 1) {',
    from: 'end - 1',
    to: 'end + 1',
    why: 'looks two bytes too far, and a backslash there only takes the slow way to the same key',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'if (bytes[at] !== BACKSLASH) continue;',
    from: 'bytes[at] !== BACKSLASH',
    to: 'false',
    why: 'takes the slow way to the same key: the test is for speed',
  },
  {
    file: 'src/gateway/wire/json-scan.ts',
    line: 'if (bytes[at] !== BACKSLASH) continue;',
    from: 'continue;',
    to: '{}',
    why: 'takes the slow way to the same key: the test is for speed',
  },
  {
    file: 'src/gateway/wire/modern-headers.ts',
    line: 'const field = Object.hasOwn(NAMED, init.method) ? NAMED[init.method] : undefined;',
    from: 'Object.hasOwn(NAMED, init.method)',
    to: 'true',
    why: 'what an object inherits is no text, and only a text becomes a header',
  },
  {
    file: 'src/gateway/wire/modern-headers.ts',
    line: 'const names = found.map(({ header }) => header.toLowerCase());',
    from: 'header.toLowerCase()',
    to: 'header.toUpperCase()',
    why: 'the names are compared only with each other, and are ASCII',
  },
  {
    file: 'src/gateway/catalog/tool-names.ts',
    line: 'else hashed.push(one);',
    from: 'hashed.push(one)',
    to: 'hashed.unshift(one)',
    why: 'sorted before use',
  },
  {
    file: 'src/network/streams/framing.ts',
    line: 'bytes.push((rest % 0x80) + 0x80);',
    from: '(rest % 0x80) + 0x80',
    to: 'rest % 0x80 - 0x80',
    why: 'the two differ by 256, which is nothing in a byte',
  },
  {
    file: 'src/membership/detection/phi-accrual.ts',
    line: 'return x > 0 ? e / (1 + e) : 1 - 1 / (1 + e);',
    from: 'x > 0',
    to: 'x >= 0',
    why: 'at 0 both sides are one half',
  },
  {
    file: 'src/grants/use/counters.ts',
    line: 'if (writing !== undefined) writes.push(writing);',
    from: 'writes.push(writing)',
    to: 'writes.unshift(writing)',
    why: 'all of them are waited for together',
  },
  {
    file: 'src/grants/use/counters.ts',
    line: 'if (full.has(node)) return false;',
    from: 'full.has(node)',
    to: 'false',
    why: 'a link without room is looked at once more, and has none',
  },
  {
    file: 'src/grants/use/counters.ts',
    line: 'full.add(node);',
    from: 'full.add(node);',
    to: '{}',
    why: 'a link without room is looked at once more, and has none',
  },
  {
    file: 'src/grants/use/counters.ts',
    line: 'if (error instanceof SyntaxError) return undefined;',
    from: 'error instanceof SyntaxError',
    to: 'true',
    why: 'JSON.parse of a text throws nothing else',
  },
  {
    file: 'src/grants/chain/hours-caveat.ts',
    line: 'const until = at + (end > start ? end - start : end - start + DAY_MIN);',
    from: 'end > start',
    to: 'end >= start',
    why: 'the two are never equal there',
  },
  {
    file: 'src/grants/chain/hours-caveat.ts',
    line: 'spans.push([at, Math.min(until, WEEK_MIN)]);',
    from: 'spans.push([at, Math.min(until, WEEK_MIN)])',
    to: 'spans.unshift([at, Math.min(until, WEEK_MIN)])',
    why: 'sorted before use',
  },
  {
    file: 'src/grants/chain/hours-caveat.ts',
    line: 'if (until > WEEK_MIN) spans.push([0, until - WEEK_MIN]);',
    from: 'spans.push([0, until - WEEK_MIN])',
    to: 'spans.unshift([0, until - WEEK_MIN])',
    why: 'sorted before use',
  },
  {
    file: 'src/grants/chain/hours-caveat.ts',
    line: "const index = typeof day === 'string' ? DAYS.indexOf(day) : -1;",
    from: "typeof day === 'string'",
    to: 'true',
    why: 'no day of the list is anything but a text',
  },
];
