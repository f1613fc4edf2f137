#' ---
#' description: The flights of each day, taken apart into the season, the weekday, and what neither of them explains.
#' tags: [calendar, statistics]
#' owner: flight-analytics
#' if_missing: skip
#' columns:
#'   flight_date: {assert: [not_null, unique]}
#'   season: {description: "The level around the day, in flights.", assert: [not_null]}
#'   weekday: {description: "How many flights more or fewer its weekday has, all year.", assert: [not_null]}
#'   remainder: {description: "What is left of the day's flights.", assert: [not_null]}
#'   deviation: {description: "The remainder against the usual one: in robust standard deviations."}
#' assert:
#'   - row_count: {equals: marts.daily_punctuality}
#'   - range: {weekday: {min: -250, max: 100}}
#' ---
#' @frame marts__daily_punctuality data.frame double
schedule_pattern <- function(marts__daily_punctuality) {
  days <- marts__daily_punctuality[order(marts__daily_punctuality$flight_date), ]
  # Robust: a holiday must not bend the pattern that it is measured against.
  fit <- stl(ts(days$flights, frequency = 7), s.window = "periodic", t.window = 29, robust = TRUE)
  parts <- as.data.frame(fit$time.series)
  data.frame(
    flight_date = days$flight_date,
    flights = as.integer(days$flights),
    season = parts$trend,
    weekday = parts$seasonal,
    remainder = parts$remainder,
    deviation = parts$remainder / mad(parts$remainder)
  )
}

#' @assertion
#' description: Season, weekday and remainder are the flights of the day, and none is lost.
parts_add_up <- function(output) {
  stopifnot(isTRUE(all.equal(output$season + output$weekday + output$remainder, as.numeric(output$flights))))
}

#' @assertion
#' description: The weekdays only move flights within the week.
weekdays_cancel_out <- function(output) {
  stopifnot(abs(mean(output$weekday[1:364])) < 0.01)
}
