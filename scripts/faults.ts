import { files, runAll, testStep } from './steps.ts'

/** `npm run test:faults`: the fault tests at their fullest. */
await runAll([
  testStep('faults', files('tests/faults/**/*.test.ts', 'packages/*/src/**/*{faults,fuzz,kill}*.test.ts'), {
    concurrency: 1,
    timeoutMs: 3_600_000,
    env: { DROVER_FAULT_ROUNDS: '50', DROVER_FUZZ_PACKETS: '100000' },
  }),
])
