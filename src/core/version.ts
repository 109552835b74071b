/** This release of Starling; equal to `version` in package.json, which a test checks. */
export const VERSION = '0.2.0';
