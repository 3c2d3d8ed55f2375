"""Lists from elsewhere: files with an address in each row, as img2dataset reads them.

    list_files: the files that a path names, and their bytes, unpacked
    -> text_lines, csv_rows, json_rows, parquet_rows: their rows
    -> list_reader: a candidate for each row, or the reason why it is a bad one -> bad_rows: bad-rows.csv

Whatever stands in a list is a stranger's: it is read row by row and never held whole, every row has its bounds, and one
that cannot be used is passed over by its number.
"""
