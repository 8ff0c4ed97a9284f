--- What other libraries call what is here: for moe.help, for what is said of an
-- unknown option, and for the table in docs/from_scikit_learn.md.
-- @module moe.elsewhere

local elsewhere = {}

--- Names of scikit-learn, DESlib, XGBoost, River and MOA, each with ours, in groups.
elsewhere.groups = {
  {
    "Models",
    { "RandomForestClassifier, RandomForestRegressor", "moe.experts.forest" },
    { "DecisionTreeClassifier, DecisionTreeRegressor", "moe.experts.tree" },
    { "HistGradientBoostingClassifier, GradientBoostingRegressor", "moe.experts.gbt" },
    { "XGBClassifier, XGBRegressor, LGBMClassifier, LGBMRegressor", "moe.experts.gbt" },
    { "LogisticRegression, SGDClassifier", "moe.experts.logistic" },
    { "LinearRegression, Ridge, SGDRegressor", "moe.experts.linear" },
    { "PoissonRegressor", "moe.experts.glm" },
    { "MLPClassifier, MLPRegressor", "moe.experts.mlp" },
    { "GaussianNB, MultinomialNB", "moe.experts.naive_bayes" },
    { "KNeighborsClassifier, KNeighborsRegressor", "moe.experts.knn" },
    { "DummyClassifier, DummyRegressor", "moe.experts.constant" },
    { "VotingClassifier, StackingClassifier, StackingRegressor", "moe.mixture" },
    { "Pipeline, make_pipeline", "moe.pipeline" },
    { "CalibratedClassifierCV", "moe.eval.calibrate" },
    { "load_model", "moe.experts.import", "what XGBoost or LightGBM saved" },
  },
  {
    "Dynamic selection (DESlib)",
    { "KNORAU, KNORAE", "moe.gates.knn", 'method = "union" or "eliminate"' },
    { "OLA", "moe.gates.knn", 'method = "union", and top_k = 1 in the mixture' },
    { "METADES", "moe.gates.classifier", "any classifier says from the row who is competent" },
    { "pool_classifiers", "experts", "an option of moe.mixture" },
    { "Oracle, StaticSelection", "Learner:report" },
  },
  {
    "Options",
    { "n_estimators, num_boost_round", "trees", "of a forest; rounds of gbt" },
    { "max_iter", "rounds", "of gbt; epochs of mlp; max_iter of the others" },
    { "random_state", "seed" },
    { "C", "l2", "= 1 / C" },
    { "alpha, reg_lambda, lambda_l2", "l2", "of mlp weight_decay" },
    { "eta", "learning_rate" },
    { "learning_rate_init", "lr" },
    { "subsample", "row_sample" },
    { "colsample_bytree", "column_sample" },
    { "max_leaf_nodes, num_leaves", "max_leaves" },
    { "early_stopping_rounds, n_iter_no_change", "early_stopping", "of mlp patience" },
    { "validation_fraction", "validation" },
    { "hidden_layer_sizes", "hidden" },
    { "batch_size", "batch" },
    { "n_neighbors", "k" },
    { "fit_intercept", "intercept" },
    { "sample_weight", "weights", "an option of fit" },
    { "oob_score", "oob_score", "always in info()" },
    { "n_jobs", "processes", "in moe.eval; moe.set_threads(n) for all else" },
    { "cv", "folds" },
    { "scoring", "metrics" },
    { "return_train_score", "train_scores" },
    { "param_grid, param_distributions", "space", "the second argument of moe.eval.search" },
    { "n_iter", "trials", "of moe.eval.search" },
    { "test_size", "share", "t:split(0.8) keeps eight tenths for training" },
    { "n_splits", "folds" },
    { "n_samples", "rows", "of moe.data.make_…" },
    { "n_features", "buckets", "of text_hasher" },
    { "ngram_range", "words", "of text_hasher; {1, 2} is words and pairs" },
  },
  {
    "Methods and attributes",
    { "decision_function", "Learner:predict_proba" },
    { "predict_log_proba", "Learner:predict_proba" },
    { "classes_", "Learner:classes" },
    { "feature_importances_", "Object:info", "importances" },
    { "coef_", "Object:info", "coefficients" },
    { "intercept_", "Object:info", "intercept" },
    { "n_features_in_, feature_names_in_", "Object:info", "n_features, names" },
    { "warm_start", "Learner:fit", "{ warm = true }" },
    { "competence_region", "Learner:route" },
    { "shap_values", "Learner:contributions" },
    { "pickle, joblib, dump", "Object:save" },
  },
  {
    "Data and preparation",
    { "train_test_split", "Table:split" },
    { "read_csv", "moe.data.read_csv" },
    { "DataFrame", "Table" },
    { "KFold, StratifiedKFold, GroupKFold", "Table:folds" },
    { "StandardScaler", "moe.transforms.standard_scaler" },
    { "OneHotEncoder, get_dummies", "moe.transforms.one_hot" },
    { "OrdinalEncoder", "moe.transforms.ordinal" },
    { "SimpleImputer", "moe.transforms.impute" },
    { "HashingVectorizer, TfidfVectorizer, CountVectorizer", "moe.transforms.text_hasher" },
    { "csr_matrix", "moe.sparse" },
    { "array, ndarray", "moe.tensor" },
  },
  {
    "Selection and figures of merit",
    { "cross_validate, cross_val_score, cross_val_predict", "moe.eval.cross_validate" },
    { "GridSearchCV, RandomizedSearchCV", "moe.eval.search" },
    { "permutation_importance", "moe.eval.importance" },
    { "accuracy_score", "moe.metrics.accuracy" },
    { "balanced_accuracy_score", "moe.metrics.balanced_accuracy" },
    { "precision_score", "moe.metrics.precision" },
    { "recall_score", "moe.metrics.recall" },
    { "f1_score, f1_macro", "moe.metrics.f1", '{ average = "macro" }' },
    { "log_loss, neg_log_loss", "moe.metrics.log_loss" },
    { "brier_score_loss", "moe.metrics.brier" },
    { "roc_auc_score", "moe.metrics.roc_auc" },
    { "average_precision_score", "moe.metrics.average_precision" },
    { "cohen_kappa_score", "moe.metrics.cohen_kappa" },
    { "matthews_corrcoef", "moe.metrics.mcc" },
    { "confusion_matrix", "moe.metrics.confusion" },
    { "classification_report", "moe.metrics.per_class" },
    { "mean_absolute_error", "moe.metrics.mae" },
    { "mean_squared_error", "moe.metrics.mse" },
    { "root_mean_squared_error", "moe.metrics.rmse" },
    { "r2_score", "moe.metrics.r2" },
    { "mean_pinball_loss", "moe.metrics.pinball" },
  },
  {
    "Streams (River, MOA)",
    { "learn_many", "Learner:learn_many", "X, y of any kind: rows in order" },
    { "predict_proba_one", "Learner:predict_proba_one" },
    { "progressive_val_score, EvaluatePrequential", "moe.eval.prequential" },
    { "EvaluateInterleavedTestThenTrain", "moe.eval.prequential" },
    { "HoeffdingTreeClassifier, HoeffdingTree, VFDT", "moe.experts.hoeffding_tree" },
    { "HoeffdingTreeRegressor, FIMTDD", "moe.experts.hoeffding_tree", 'task = "regression"' },
    { "HoeffdingAdaptiveTreeClassifier, HoeffdingAdaptiveTreeRegressor, HoeffdingAdaptiveTree",
      "moe.experts.hoeffding_adaptive_tree" },
    { "ARFClassifier, ARFRegressor, AdaptiveRandomForest, AdaptiveRandomForestRegressor",
      "moe.experts.adaptive_random_forest" },
    { "SGTClassifier, SGTRegressor, StreamingGradientBoostedTrees, SGBT", "moe.experts.sgbt" },
    { "PAClassifier, PARegressor, PassiveAggressiveClassifier, PassiveAggressiveRegressor",
      "moe.experts.online", 'loss = "passive_aggressive"' },
    { "Perceptron, SPegasos", "moe.experts.online", 'loss = "hinge"' },
    { "BayesianLinearRegression", "moe.experts.rls", "with prediction intervals" },
    { "OneVsRestClassifier", "moe.experts.one_vs_rest" },
    { "PriorClassifier, MajorityClass", "moe.experts.constant" },
    { "NoChangeClassifier, NoChange", "moe.experts.last_value" },
    { "SNARIMAX", "moe.experts.ar", "no seasons, no differences" },
    { "ADWIN, ADWINChangeDetector", "moe.drift.adwin" },
    { "PageHinkley, PageHinkleyDM", "moe.drift.page_hinkley" },
    { "DDM", "moe.drift.ddm", "of numbers; see its page" },
    { "KSWIN", "moe.drift.kswin" },
    { "iter_csv, CsvFileStream", "moe.streams.csv" },
    { "iter_array, iter_pandas", "moe.streams.rows" },
    { "ConceptDriftStream", "moe.streams.gradual", "or sudden, recurring" },
    { "SEAGenerator", "moe.streams.sea" },
    { "AgrawalGenerator", "moe.streams.agrawal" },
    { "HyperplaneGenerator", "moe.streams.hyperplane" },
    { "STAGGERGenerator", "moe.streams.stagger" },
    { "WaveformGenerator", "moe.streams.waveform" },
    { "SineGenerator", "moe.streams.sine" },
    { "FriedmanDrift", "moe.streams.friedman", 'drift = "gra", "gsg" or "lea"' },
    { "LEDGenerator, LEDDrift", "moe.streams.led" },
    { "RandomRBFGenerator, RandomRBFDrift", "moe.streams.random_rbf" },
    { "CohenKappa", "moe.metrics.cohen_kappa", "beside it kappa_temporal, kappa_m" },
    { "grace_period", "grace_period" },
    { "split_confidence", "delta", "of a Hoeffding tree" },
    { "tie_threshold", "tau", "of a Hoeffding tree" },
    { "n_models, ensembleSize", "trees", "of adaptive_random_forest" },
  },
}

--- What is here for a name of theirs, in words; nil of other names.
function elsewhere.name(theirs)
  for _, group in ipairs(elsewhere.groups) do
    for i = 2, #group do
      local row = group[i]
      for name in row[1]:gmatch "[^, ]+" do
        if name == theirs then return row[2] .. (row[3] and " (" .. row[3] .. ")" or "") end
      end
    end
  end
end

--- What to add to a message about an unknown option.
function elsewhere.hint(theirs)
  local ours = elsewhere.name(theirs)
  return ours and ours ~= theirs and ("; here that is %s"):format(ours) or ""
end

return elsewhere
