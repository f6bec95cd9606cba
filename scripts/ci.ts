import { spawnSync } from 'node:child_process'
import { installPackages } from './debian.ts'
import { files, runAll, testStep } from './steps.ts'

/**
 * `npm run test:ci`: the tests that take long or need something installed, after `npm test` passed. What they need is
 * installed here, on Debian and its kin.
 */
const programs = {
  chromium: 'chromium',
  strace: 'strace',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
}

const isThere = (program: string) => spawnSync('which', [program], { stdio: 'ignore' }).status === 0
const missing = Object.entries(programs).filter(([program]) => !isThere(program))
if (!(await installPackages(missing.map(([, name]) => name)))) process.exit(1)

await runAll([
  testStep(
    'faults, fuzzing, full replay and browser',
    files(
      'tests/{faults,browser,e2e,regression}/**/*.test.ts',
      'packages/*/src/**/*{faults,fuzz,kill}*.test.ts',
    ),
    {
      concurrency: 1,
      timeoutMs: 1_500_000,
      env: { DROVER_FULL: '1', DROVER_FAULT_ROUNDS: '20', DROVER_FUZZ_PACKETS: '100000' },
    },
  ),
  {
    name: 'real engines',
    command: ['node', 'scripts/engines.ts'],
    output: 'always',
    remedy: 'Run them again with: npm run test:engines',
  },
])
