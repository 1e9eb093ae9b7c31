"""Which features matter: impurity, permutation, single features, clusters of features, SHAP; and how surely.

Every method gives `models.importance.table.Importances`: one value a feature and fold, with mean, error and interval.
Nothing is imported here: take a method from its file.
"""
