// breaks: kysely-stays-home no-undeclared-package
import 'kysely'
