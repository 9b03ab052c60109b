/** The environment of programs that the daemon starts: nothing of its own, which may hold secrets. */
export function childEnvironment(): NodeJS.ProcessEnv {
  const testRun = process.env['CORRAL_TEST_RUN'];
  return {
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    // By it a test run finds what it left behind.
    ...(testRun === undefined ? {} : { CORRAL_TEST_RUN: testRun }),
  };
}
