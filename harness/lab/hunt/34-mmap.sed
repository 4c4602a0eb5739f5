# wrong: the mapping is private
# caught: conformance/an_empty_message_is_a_message
# because: MAP_PRIVATE: what one writes is in its own copy of the page, and never in the file
# told: 2 has mapped .* with MAP_PRIVATE
/^map_file/,/^}/s/MAP_SHARED/MAP_PRIVATE/
