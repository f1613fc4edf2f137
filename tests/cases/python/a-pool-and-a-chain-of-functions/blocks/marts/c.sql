select count(*) as n from renamed
