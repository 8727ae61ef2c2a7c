"""How decisions become a better model: labels out, candidates in the shadow, comparison, promotion, rollback."""
