// Evaluates what comes in on standard input, one {expression, bindings} as JSON a line, and answers a line for each:
// {there, value}, or {error}. The engine is found in the folder that is given as argument.
const jsonata = require(require.resolve('jsonata', { paths: [process.argv[2]] }));
const lines = require('readline').createInterface({ input: process.stdin });

(async () => {
  for await (const line of lines) {
    const { expression, bindings } = JSON.parse(line);
    let answer;
    try {
      const value = await jsonata(expression).evaluate(undefined, bindings);
      if (typeof value === 'number' && !Number.isFinite(value)) throw new Error('no JSON');
      answer = { there: value !== undefined, value: value === undefined ? null : value };
    } catch (error) {
      answer = { error: error.code || error.message };
    }
    console.log(JSON.stringify(answer));
  }
})();
