-- The stamps of `renewed` in place of those that were recorded.
delete from state.verified
where path in (select path from renewed);

insert into state.verified from renewed;
