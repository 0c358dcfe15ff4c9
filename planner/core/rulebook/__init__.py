"""What platform teams decide: policies, catalog, settings and budgets as one immutable book under one digest."""
