// breaks: duckdb-stays-home no-undeclared-package
import '@duckdb/node-api'
