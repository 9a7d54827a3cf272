"""What a finished model is worth on rows that it was not trained on: numbers, tables and pictures.

`measuring` goes through the rows once, `tasks` says what an output is measured by, `confusion`, `ranking` and
`residuals` are the numbers, `reports` puts them into JSON, `pictures` draws them. What need not be measured again is
`known`.
"""
