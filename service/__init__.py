"""What we do about an assessment: policy, limit, offers, decision, ledger, HTTP."""
