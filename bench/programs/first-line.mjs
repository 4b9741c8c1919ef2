/** The app whose first line is waited for: milliseconds since its process was made. */
process.stdout.write(String(performance.now()));
