"""From an API call to a function that hears of it: CloudTrail's records, and EventBridge's delivery."""
