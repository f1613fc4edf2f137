select id, no_matter_what from raw.orders join raw.events using (whatever)
