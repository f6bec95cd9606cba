import { files, runAll, testStep } from './steps.ts'

/** `npm run test:faults`: the fault tests at their fullest. */
await runAll([
  testStep('faults', files('tests/faults/**/*.test.ts'), {
    concurrency: 1,
    timeoutMs: 3_600_000,
    env: { DROVER_TEST_KILLS: '50', DROVER_TEST_FUZZ_CASES: '100000' },
  }),
])
