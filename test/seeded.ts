/** Before each test file: properties that name no seed have one all the same, so that each run tries the same values. */
import fc from 'fast-check';

fc.configureGlobal({ seed: 1 });
